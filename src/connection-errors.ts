import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AppError } from './errors/app-error.js';
import { refuseRaw } from './errors/raw-refusal.js';

/** Milliseconds, and bytes, that a connection is still read after a refusal: closed at once, it would lose the answer. */
const LINGER_MS = 2_000;
const LINGER_BYTES = 32_000_000;

/** Node's code of what went wrong; parser errors (`HPE_…`) without a line here are a bad request. */
const REFUSALS: Record<string, () => AppError> = {
  HPE_HEADER_OVERFLOW: () => new AppError('headers_too_large', 'Send a shorter address and fewer headers.'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () => new AppError('payload_too_large', 'Send chunks without extensions.'),
  ERR_HTTP_REQUEST_TIMEOUT: () => new AppError('request_timeout', 'Send the whole request at once.'),
};

/**
 * What Node refuses by itself, before Express sees a request: answered in the same form as everything else, and the
 * connection is closed. After a broken request nobody can say where the next begins (RFC 9112 §11.2).
 * @param log is told of each refusal, with the id that its answer has.
 */
export function answerConnectionErrors(server: Server, log: (refusal: object) => void): void {
  const refused = new WeakSet<Socket>();
  server.on('clientError', (error: Error & { code?: string }, socket: Socket) => {
    // What comes after the refusal only wakes this handler again.
    if (refused.has(socket)) {
      if (socket.bytesRead > LINGER_BYTES) socket.destroy();
      return;
    }
    // An answer that is on its way goes out, and nothing is mixed into it.
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) return socket.destroySoon();
    refused.add(socket);
    const refusal = REFUSALS[error.code ?? '']?.() ?? badRequest();
    const requestId = randomUUID();
    log({ request_id: requestId, code: refusal.code, remote_address: socket.remoteAddress });
    refuseRaw(socket, refusal, {}, requestId);
    // Who was too slow could finish the request and have it done without an answer.
    if (refusal.code === 'request_timeout') socket.once('finish', () => socket.destroy());
    else setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
  // A proxy is asked with CONNECT (RFC 9110 §9.3.6); this is none. Unheard, the connection would just be dropped.
  server.on('connect', (_request: IncomingMessage, socket) => {
    refuseRaw(socket, new AppError('method_not_allowed', 'CONNECT is not answered: this is no proxy.'));
    socket.once('finish', () => socket.destroy());
  });
}

/** Whether a response has begun on the connection. Undocumented; Node's own handler asks the same. */
function isAnswering(socket: Socket): boolean {
  const response = Reflect.get(socket, '_httpMessage') as ServerResponse | null | undefined;
  return response?.headersSent === true;
}

function badRequest(): AppError {
  return new AppError('invalid_request', 'These bytes are no request of HTTP: check how they are made.');
}
