import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { sentAnswer } from './sent-blocks.js';
import { planOf, type StrictAnswer } from './strict-answer.js';
import type { WireBody } from './strict-anthropic.js';
import { StrictJudge } from './strict-judge.js';

/** One request as the upstream saw it, with its verdict. */
export interface StrictCall {
  /** From 1, over all requests for an answer. */
  readonly number: number;
  readonly body: WireBody;
  /** The body as it came, for what `JSON.parse` loses. */
  readonly raw: string;
  readonly headers: IncomingMessage['headers'];
  /** What it was refused with, before any script was asked. */
  readonly refusal: string | undefined;
  /** `performance.now()` when the request was there. */
  readonly openedAt: number;
  /** When its answer was complete or its connection gone. */
  readonly closed: Promise<{ at: number; whole: boolean }>;
}

/** What to answer to a request that breaks no rule. */
export type StrictScript = (call: StrictCall) => StrictAnswer;

/**
 * A server on the loopback interface that speaks Anthropic's Messages API and judges every request
 * (`strict-judge.ts`): what the service would refuse is answered with its 400, whatever the script says.
 */
export class StrictUpstream {
  readonly calls: StrictCall[] = [];
  /** Requests for anything but an answer, as `GET /v1/models`. */
  readonly others: string[] = [];
  /** What `GET /v1/models` and `POST /v1/messages/count_tokens` answer; 404 where there is nothing. */
  readonly documents = new Map<string, unknown>();
  private readonly judge = new StrictJudge();
  private readonly server: Server;

  private constructor(private script: StrictScript) {
    this.server = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(script: StrictScript = noScript): Promise<StrictUpstream> {
    const upstream = new StrictUpstream(script);
    upstream.server.listen(0, '127.0.0.1');
    await once(upstream.server, 'listening');
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Complaints of all requests so far: empty when every one was such as the service takes. */
  get refusals(): string[] {
    return this.calls.flatMap(({ number, refusal }) => (refusal ? [`request ${number}: ${refusal}`] : []));
  }

  /** From now on: a function of the request, or answers in order, the last one again and again. */
  answer(...script: [StrictScript] | StrictAnswer[]): void {
    const [first] = script;
    if (typeof first === 'function') {
      this.script = first;
      return;
    }
    const left = [...(script as StrictAnswer[])];
    this.script = () => (left.length > 1 ? left.shift() : left[0]) ?? noScript();
  }

  /** Forgets requests, not answers: thinking stays bound to what it was bound to. */
  forget(): void {
    this.calls.length = 0;
    this.others.length = 0;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0] ?? '';
    const text = await textOf(request);
    if (request.method !== 'POST' || path !== '/v1/messages') {
      this.others.push(`${request.method} ${path}`);
      const document = this.documents.get(path);
      const missing = errorBody('not_found_error', 'Not found', 'req_strict_other');
      return sendJson(response, document === undefined ? 404 : 200, document ?? missing, 'req_strict_other');
    }
    const call = this.record(text, request, response);
    if (call.refusal === undefined) return this.send(this.script(call), call, response);
    const id = requestId(call);
    sendJson(response, 400, errorBody('invalid_request_error', call.refusal, id), id);
  }

  private record(raw: string, { headers }: IncomingMessage, response: ServerResponse): StrictCall {
    const body = JSON.parse(raw) as WireBody;
    const closed = Promise.withResolvers<{ at: number; whole: boolean }>();
    response.once('close', () => closed.resolve({ at: performance.now(), whole: response.writableFinished }));
    const call: StrictCall = {
      number: this.calls.length + 1,
      body,
      raw,
      headers,
      refusal: this.judge.complaint(body, headers),
      openedAt: performance.now(),
      closed: closed.promise,
    };
    this.calls.push(call);
    return call;
  }

  private async send(answer: StrictAnswer, call: StrictCall, response: ServerResponse): Promise<void> {
    const id = requestId(call);
    if (answer.hold?.at === 0) await Promise.race([answer.hold.until, call.closed]);
    const status = answer.status ?? 200;
    if (answer.sse === undefined) {
      const { type, message, details } = answer.error ?? { type: 'api_error', message: 'no script' };
      const body = answer.body ?? JSON.stringify(errorBody(type, message, id, details));
      response.writeHead(status, { 'content-type': 'application/json', 'request-id': id, ...answer.headers });
      response.end(body);
      return;
    }
    response.writeHead(status, {
      'content-type': 'text/event-stream; charset=utf-8',
      'request-id': id,
      ...answer.headers,
    });
    response.flushHeaders();
    const { bytes, end } = planOf(answer);
    this.judge.learn(call.body, sentAnswer(bytes.toString()));
    await write(bytes, answer, call, response);
    if (response.destroyed) return;
    if (end === 'end') response.end();
    if (end === 'reset') response.socket?.resetAndDestroy();
  }
}

/** Anthropic's body of an error. */
export function errorBody(
  type: string,
  message: string,
  id: string,
  details?: Record<string, unknown>,
): unknown {
  return { type: 'error', error: { type, message, details }, request_id: id };
}

function requestId({ number }: { number: number }): string {
  return `req_strict_${number}`;
}

function noScript(): StrictAnswer {
  return { status: 500, error: { type: 'api_error', message: 'no script' } };
}

/** Resolves when all is written and taken by the kernel, or the connection is gone. */
async function write(
  bytes: Buffer,
  { drip, hold }: StrictAnswer,
  call: StrictCall,
  response: ServerResponse,
): Promise<void> {
  const stops = hold ? [hold.at, bytes.length] : [bytes.length];
  let at = 0;
  for (const stop of stops) {
    while (at < stop && !response.destroyed) {
      const piece = bytes.subarray(at, Math.min(stop, at + (drip?.bytes ?? bytes.length)));
      const written = new Promise<unknown>((resolve) => response.write(piece, resolve));
      await Promise.race([written, call.closed]);
      at += piece.length;
      if (drip) await delay(drip.ms);
    }
    if (hold?.at === at && at > 0) await Promise.race([hold.until, call.closed]);
  }
}

function sendJson(response: ServerResponse, status: number, json: unknown, id: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': id });
  response.end(JSON.stringify(json));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
