/** The value below which a share of the sorted values lies. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** `p50 12 ms, p99 30 ms, max 31 ms`; what is measured is named by the caller. */
export function spread(values: number[]): string {
  if (values.length === 0) return 'none';
  const at = (share: number) => `${Math.round(quantile(values, share))}`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${Math.round(Math.max(...values))} ms`;
}

/** One line for `docs/guarantees.md`. */
export function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A number of the environment, so that the same story is short in CI and long at night. */
export function scale(name: string, usual: number): number {
  const value = Number(process.env[name] ?? usual);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number of at least 1.`);
  return value;
}
