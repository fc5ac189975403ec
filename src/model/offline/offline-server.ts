import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { planReply } from './offline-reply.js';
import { InvalidOfflineRequest, readOfflineRequest } from './offline-request.js';
import { wireFrames } from './offline-wire.js';

/** The limit of the real API. */
const MAX_BODY = 32 * 1024 * 1024;

/**
 * A server on loopback that speaks Anthropic's Messages API and thinks nothing: `POST /v1/messages`, streamed,
 * a word at a time. Errors have Anthropic's shape.
 */
export class OfflineServer {
  private readonly server: Server;

  /** @param delayMs pause before each word, in milliseconds; 0 sends as fast as the client reads */
  constructor(private readonly delayMs: number) {
    this.server = createServer((request, response) => {
      void this.handle(request, response);
    });
  }

  /** Listens on a free port. @returns the base URL */
  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    // Alone it is no reason to keep the process.
    this.server.unref();
    const { port } = this.server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Ends running answers and frees the port. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.on('error', () => gone.abort());
    try {
      await this.answer(request, response, gone.signal);
    } catch (error) {
      if (gone.signal.aborted) return;
      if (response.headersSent) response.destroy();
      else if (error instanceof InvalidOfflineRequest)
        refuse(response, 400, 'invalid_request_error', error.message);
      else refuse(response, 500, 'api_error', 'The offline stand-in failed.');
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse, gone: AbortSignal): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (request.method !== 'POST' || pathname !== '/v1/messages') {
      return refuse(response, 404, 'not_found_error', `The offline stand-in knows only POST /v1/messages.`);
    }
    const body = await readBody(request);
    if (body === null)
      return refuse(response, 413, 'request_too_large', `A body may have ${MAX_BODY} bytes.`);
    const asked = readOfflineRequest(body);
    const frames = wireFrames(asked, planReply(asked), () => `offline_${randomUUID().replaceAll('-', '')}`);
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'request-id': requestId(),
    });
    for (const { text, paced } of frames) {
      if (paced && this.delayMs > 0) await pause(this.delayMs, undefined, { signal: gone });
      if (!response.write(text)) await once(response, 'drain', { signal: gone });
    }
    response.end();
  }
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_BODY) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function refuse(response: ServerResponse, status: number, type: string, message: string): void {
  const request_id = requestId();
  response
    .writeHead(status, { 'content-type': 'application/json', 'request-id': request_id })
    .end(JSON.stringify({ type: 'error', error: { type, message }, request_id }));
}

function requestId(): string {
  return `req_offline_${randomUUID().replaceAll('-', '')}`;
}
