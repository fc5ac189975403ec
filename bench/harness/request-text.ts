import { randomBytes } from 'node:crypto';
import type { RawRequest } from './candidate.ts';

/** The bytes of a request. A response without a length or chunks ends with the connection. */
export function requestText({ method, path, headers = {}, body }: RawRequest, port: number): string {
  const isUpgrade = Object.keys(headers).some((name) => name.toLowerCase() === 'upgrade');
  const all: Record<string, string | number> = {
    host: `127.0.0.1:${port}`,
    ...(isUpgrade ? { 'sec-websocket-key': randomBytes(16).toString('base64') } : { connection: 'close' }),
    ...headers,
    ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`;
}
