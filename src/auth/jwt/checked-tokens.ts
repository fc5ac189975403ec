import { createHash } from 'node:crypto';

const MOST = 10_000;

/**
 * What the tokens say whose signatures were checked lately. A signature costs half a millisecond of a thread, and
 * clients send the same token again and again; what may change about it (its end, its account) is asked each time.
 * Known by their SHA-256; when there are too many, the oldest are forgotten.
 */
export class CheckedTokens<T> {
  private readonly known = new Map<string, T>();

  find(token: string): T | undefined {
    return this.known.get(nameOf(token));
  }

  add(token: string, said: T): void {
    const [oldest] = this.known.keys();
    if (this.known.size >= MOST && oldest !== undefined) this.known.delete(oldest);
    this.known.set(nameOf(token), said);
  }
}

function nameOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
