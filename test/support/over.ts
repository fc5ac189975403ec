/** The same object with some of its methods in other words. */
export function over<T extends object>(original: T, changes: Partial<T>): T {
  const changed = Object.create(original) as T;
  for (const [name, value] of Object.entries(changes)) Object.defineProperty(changed, name, { value });
  return changed;
}
