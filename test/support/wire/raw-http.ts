import { once } from 'node:events';
import { connect } from 'node:net';
import { within } from '../until.js';

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** The server closed the connection after its answer. */
  closed: boolean;
}

/**
 * Sends exactly these bytes and reads what comes back: for requests that an HTTP client would not make.
 * Status 0: the connection was closed without an answer.
 */
export async function rawHttp(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  let closed = false;
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => (closed = true));
  const end = once(socket, 'close').then(() => (closed = true));
  await once(socket, 'connect');
  socket.write(bytes);
  const answered = new Promise<void>((resolve) => socket.on('data', () => isWhole(text) && resolve()));
  await within(10_000, 'an answer to raw bytes', Promise.race([answered, end.catch(() => {})]));
  socket.destroy();
  return { ...parse(text), closed };
}

/** A request line and headers as bytes; `Host` is given unless among the lines. */
export function rawRequest(url: string, line: string, headers: string[] = [], body = ''): string {
  const host = headers.some((header) => /^host:/i.test(header)) ? [] : [`Host: ${new URL(url).host}`];
  return [line, ...host, ...headers, '', body].join('\r\n');
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const { headers, body } = parse(text);
  if (headers['content-type']?.startsWith('text/event-stream')) return body.includes('\n\n');
  if (headers['transfer-encoding'] === 'chunked') return body.endsWith('0\r\n\r\n');
  return body.length >= Number(headers['content-length'] ?? 0);
}

function parse(text: string): { status: number; headers: Record<string, string>; body: string } {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((header) => {
      const colon = header.indexOf(':');
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    }),
  );
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1] ?? 0),
    headers,
    body: rest.join('\r\n\r\n'),
  };
}
