import { hasCode } from '../errors/app-error.js';

const FIRST_MS = 50;
const MOST_MS = 500;

/**
 * The same object with patience: a method that fails because the store is `unavailable` is called again, for
 * `forMs` at most. Whether the failed call has taken effect is not known, so this is for methods that can be said
 * twice.
 */
export function patient<T extends object>(
  target: T,
  forMs: number,
  delay: (milliseconds: number) => Promise<unknown>,
): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => retry(() => Reflect.apply(value, target, args) as unknown, forMs, delay);
    },
  });
}

async function retry(
  work: () => unknown,
  forMs: number,
  delay: (milliseconds: number) => Promise<unknown>,
): Promise<unknown> {
  let waited = 0;
  for (let pause = FIRST_MS; ; pause = Math.min(pause * 2, MOST_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!hasCode(error, 'unavailable') || waited >= forMs) throw error;
      await delay(pause);
      waited += pause;
    }
  }
}
