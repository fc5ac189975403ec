import type { IncomingMessage } from 'node:http';

const sizes = new WeakMap<IncomingMessage, number>();

/** Told by who has read a body: its length in bytes, whatever the headers said. */
export function noteBodyBytes(request: IncomingMessage, bytes: number): void {
  sizes.set(request, bytes);
}

/** Bytes of the body that was read; 0 when there was none. */
export function bodyBytes(request: IncomingMessage): number {
  return sizes.get(request) ?? 0;
}
