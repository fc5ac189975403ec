import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { WebSocket } from 'ws';
import type { ViewedEvent } from './event-list.js';
import { within } from './until.js';

export interface Frame {
  event: string;
  data: Record<string, unknown>;
  id?: string;
  ref?: string;
}

export interface SocketOptions {
  /** Offered after `agent.v1`, as browsers do that cannot send a header. */
  bearerProtocol?: string;
  headers?: OutgoingHttpHeaders;
  protocols?: string[];
}

/** A refused upgrade: the answer that came instead of 101. */
export class UpgradeRefused extends Error {
  constructor(
    readonly status: number,
    readonly body: string,
  ) {
    super(`the upgrade was answered with ${status}`);
  }
}

/** One socket of the contract's §6, with everything it received. */
export class AgentSocket {
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Frames that were not one JSON text each. */
  readonly problems: string[] = [];
  private readonly raw: { text: string; frame: Frame }[] = [];
  private waiters: (() => void)[] = [];
  private refs = 0;
  private over = false;

  constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer, binary) => this.take(data, binary));
    socket.on('error', (error) => this.problems.push(error.message));
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.over = true;
        resolve({ code, reason: reason.toString() });
        this.wake();
      });
    });
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  /** The events of the log seen so far, `data` as the text that stood in the frame. */
  get events(): ViewedEvent[] {
    return this.raw.flatMap(({ text, frame }) =>
      frame.id === undefined ? [] : [{ event: frame.event, id: frame.id, data: dataTextOf(text, frame) }],
    );
  }

  sendRaw(text: string | Buffer): void {
    this.socket.send(text);
  }

  /** Sends a message with a new `ref` and waits for its `ack` or `rejected`. */
  async ask(event: string, data: unknown, ms = 10_000): Promise<Frame> {
    this.refs += 1;
    const ref = `r${this.refs}`;
    this.sendRaw(JSON.stringify({ event, data, ref }));
    return this.nextWhere((frame) => frame.ref === ref, ms);
  }

  /** The first frame, already here or still to come, that fits. */
  async nextWhere(fits: (frame: Frame) => boolean, ms = 10_000): Promise<Frame> {
    let from = 0;
    for (;;) {
      for (; from < this.frames.length; from += 1) {
        if (fits(this.frames[from]!)) return this.frames[from]!;
      }
      if (this.over) throw new Error('the socket closed before the frame came');
      await within(ms, 'a frame of the socket', new Promise<void>((resolve) => this.waiters.push(resolve)));
    }
  }

  async close(): Promise<void> {
    this.socket.close();
    await within(5_000, 'the socket to close', this.closed);
  }

  private take(data: Buffer, binary: boolean): void {
    const text = data.toString();
    if (binary) this.problems.push('a binary frame');
    const frame = JSON.parse(text) as Frame;
    this.frames.push(frame);
    this.raw.push({ text, frame });
    this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

/** The exact text of `data`, where the frame has it as written by JSON.stringify; else made anew. */
function dataTextOf(text: string, frame: Frame): string {
  const data = JSON.stringify(frame.data);
  if (!text.includes(`"data":${data}`))
    throw new Error(`data is not plain JSON text in ${text.slice(0, 200)}`);
  return data;
}

/** @throws UpgradeRefused when the server answers anything but 101. */
export async function openSocket(
  origin: string,
  options: SocketOptions & { path?: string } = {},
): Promise<AgentSocket> {
  const bearer = options.bearerProtocol === undefined ? [] : [`bearer.${options.bearerProtocol}`];
  const url = `${origin.replace(/^http/, 'ws')}${options.path ?? '/api/agent/ws'}`;
  const socket = new WebSocket(url, options.protocols ?? ['agent.v1', ...bearer], {
    headers: options.headers as Record<string, string>,
  });
  const client = new AgentSocket(socket);
  const refused = once(socket, 'unexpected-response').then(async ([, response]) => {
    const answer = response as IncomingMessage;
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    socket.terminate();
    throw new UpgradeRefused(answer.statusCode!, Buffer.concat(chunks).toString());
  });
  const opened = once(socket, 'open');
  refused.catch(() => {});
  opened.catch(() => {});
  await within(10_000, 'the socket to open', Promise.race([opened, refused]));
  return client;
}
