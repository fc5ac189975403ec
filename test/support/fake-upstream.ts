import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  adviceAbout,
  blocksOf,
  complaintAbout,
  hasOpenServerTool,
  type WireBody,
} from './anthropic/strict-anthropic.js';

/** What the fake answers to one call of the model. */
export interface Reply {
  /** Status of the answer; anything but 200 sends `json`. */
  status?: number;
  headers?: Record<string, string>;
  /** Body of an error, or of a 200 that is not a stream. */
  json?: unknown;
  /** The stream: whole events, or any pieces of text. */
  sse?: Iterable<string>;
  /** Milliseconds before the first piece, and between two pieces. */
  delayMs?: number;
  paceMs?: number;
  /** Writes pieces of so many bytes each, wherever events and characters begin. */
  chunkBytes?: number;
  /** Destroys the connection after so many bytes of the body. */
  cutAfterBytes?: number;
  /** Sends an `error` event after so many pieces, then ends. */
  errorAfter?: { pieces: number; type: string };
  /** After so many pieces nothing comes any more; the connection stays open. */
  stallAfterPieces?: number;
}

/** One call as the fake saw it. */
export interface UpstreamCall {
  readonly number: number;
  readonly body: WireBody;
  readonly headers: IncomingMessage['headers'];
  /** The complaint it was answered with, if it broke a rule. */
  complaint: string | undefined;
  /** The whole answer was sent. */
  finished: boolean;
  /** `performance.now()` when the call was there. */
  readonly openedAt: number;
  /** `performance.now()` when the connection of this call was closed or its answer complete. */
  closedAt: number | undefined;
  readonly closed: Promise<void>;
}

export type Script = (call: UpstreamCall) => Reply;

/**
 * A strict stand-in for Anthropic's `/v1/messages` on the loopback interface. It answers as scripted, records
 * every call, and refuses what the service would refuse (`anthropic/strict-anthropic.ts`).
 */
export class FakeUpstream {
  readonly calls: UpstreamCall[] = [];
  /** Requests to anything but `/v1/messages`. */
  readonly others: string[] = [];
  readonly advice: string[] = [];
  private script: Script = () => ({ status: 500, json: errorBody('api_error', 'no script') });
  private readonly server: Server;
  private readonly prefixes = new Map<string, string>();
  private lastStopReason = '';

  private constructor() {
    this.server = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(script?: Script): Promise<FakeUpstream> {
    const fake = new FakeUpstream();
    if (script) fake.script = script;
    fake.server.listen(0, '127.0.0.1');
    await once(fake.server, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Complaints of all calls so far: empty when every request was one the service takes. */
  get complaints(): string[] {
    return this.calls.flatMap((call) => (call.complaint ? [`call ${call.number}: ${call.complaint}`] : []));
  }

  /** What to answer from now on: a function of the call, or replies in order (the last one again and again). */
  answer(script: Script | Reply[]): void {
    if (typeof script === 'function') {
      this.script = script;
      return;
    }
    const left = [...script];
    this.script = () => (left.length > 1 ? left.shift()! : left[0]!);
  }

  forget(): void {
    this.calls.length = 0;
    this.advice.length = 0;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0];
    if (request.method !== 'POST' || path !== '/v1/messages') {
      this.others.push(`${request.method} ${request.url}`);
      sendJson(response, 404, errorBody('not_found_error', 'Not found'));
      return;
    }
    const body = JSON.parse(await textOf(request)) as WireBody;
    const call = record(this.calls.length + 1, body, request, response);
    this.calls.push(call);
    call.complaint = this.complaint(body, request);
    if (call.complaint) {
      sendJson(response, 400, errorBody('invalid_request_error', call.complaint));
      return;
    }
    this.advice.push(...adviceAbout(body));
    await this.send(this.script(call), call, response);
  }

  private complaint(body: WireBody, request: IncomingMessage): string | undefined {
    if (!request.headers['anthropic-version']) return 'anthropic-version: header is required';
    if (!request.headers.authorization && !request.headers['x-api-key']) return 'authentication is required';
    const last = body.messages.at(-1);
    const resend = this.lastStopReason === 'pause_turn' || (last !== undefined && hasOpenServerTool(last));
    return complaintAbout(body, resend) ?? this.changedPrefix(body);
  }

  /** Thinking blocks are bound to what stood before them: system, tools and earlier messages. */
  private changedPrefix(body: WireBody): string | undefined {
    for (const [index, message] of body.messages.entries()) {
      for (const block of message.role === 'assistant' ? blocksOf(message) : []) {
        const known = block.type === 'thinking' ? this.prefixes.get(String(block['signature'])) : undefined;
        if (known !== undefined && known !== prefixOf(body, index)) {
          return `messages.${index}: thinking blocks cannot be used when anything before them has changed`;
        }
      }
    }
    return undefined;
  }

  private async send(reply: Reply, call: UpstreamCall, response: ServerResponse): Promise<void> {
    const headers = { 'request-id': `req_fake_${call.number}`, ...reply.headers };
    if (reply.delayMs) await delay(reply.delayMs);
    if (reply.sse === undefined) {
      sendJson(response, reply.status ?? 200, reply.json, headers);
      return;
    }
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' });
    response.flushHeaders();
    const whole = await this.write(reply, call.body, response);
    if (whole) response.end();
  }

  /** @returns whether the body came to its end, and the connection is to be ended in the usual way. */
  private async write(reply: Reply, body: WireBody, response: ServerResponse): Promise<boolean> {
    let pieces = 0;
    let bytes = 0;
    for (const piece of reply.chunkBytes ? inChunks(reply.sse!, reply.chunkBytes) : reply.sse!) {
      if (response.destroyed) return false;
      if (reply.stallAfterPieces === pieces) return false;
      if (reply.errorAfter?.pieces === pieces) {
        const error = { type: 'error', error: { type: reply.errorAfter.type, message: 'scripted' } };
        response.write(`event: error\ndata: ${JSON.stringify(error)}\n\n`);
        return true;
      }
      const buffer = typeof piece === 'string' ? Buffer.from(piece) : piece;
      const room = (reply.cutAfterBytes ?? Infinity) - bytes;
      if (buffer.length >= room) {
        response.write(buffer.subarray(0, room), () => response.socket?.resetAndDestroy());
        return false;
      }
      this.learn(buffer.toString(), body);
      if (!response.write(buffer)) await drained(response);
      pieces += 1;
      bytes += buffer.length;
      if (reply.paceMs) await delay(reply.paceMs);
    }
    return !response.destroyed && reply.stallAfterPieces === undefined;
  }

  private learn(piece: string, body: WireBody): void {
    const signature = /"signature":"([^"]+)"/.exec(piece)?.[1];
    if (signature) this.prefixes.set(signature, prefixOf(body, body.messages.length));
    const stop = /"stop_reason":"([a-z_]+)"/.exec(piece)?.[1];
    if (stop) this.lastStopReason = stop;
  }
}

export function errorBody(type: string, message: string): unknown {
  return { type: 'error', error: { type, message }, request_id: 'req_fake' };
}

function record(
  number: number,
  body: WireBody,
  request: IncomingMessage,
  response: ServerResponse,
): UpstreamCall {
  const closed = Promise.withResolvers<void>();
  const call: UpstreamCall = {
    number,
    body,
    headers: request.headers,
    complaint: undefined,
    finished: false,
    openedAt: performance.now(),
    closedAt: undefined,
    closed: closed.promise,
  };
  response.on('finish', () => (call.finished = true));
  response.on('close', () => {
    call.closedAt = performance.now();
    closed.resolve();
  });
  return call;
}

function prefixOf(body: WireBody, length: number): string {
  const prefix = {
    system: body.system,
    tools: body.tools,
    messages: body.messages.slice(0, length).map(asBlocks),
  };
  return JSON.stringify(prefix, (key, value: unknown) => (key === 'cache_control' ? undefined : value));
}

function asBlocks(message: WireBody['messages'][number]): unknown {
  return { role: message.role, content: blocksOf(message) };
}

function sendJson(
  response: ServerResponse,
  status: number,
  json: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(json));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function* inChunks(pieces: Iterable<string>, size: number): Iterable<Buffer> {
  const whole = Buffer.from([...pieces].join(''));
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
