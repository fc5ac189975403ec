import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Api } from '../api.js';
import { placeOf, type ViewedEvent } from '../event-list.js';
import { SseParser, type SseBlock } from '../wire/sse-parser.js';

/** A run that is watched. */
export interface Target {
  sessionId: string;
  runId: string;
  /** What was asked: names the run in the calls of the model. */
  content: string;
}

export interface ViewerOptions {
  /** Index of the server to begin at. */
  node?: number;
  transport?: 'sse' | 'ws';
  /** Whether a stream's viewer waits before it comes back as long as that said (`retry:`), as `EventSource` does. */
  patient?: boolean;
  /** Whether a `reset` without id is allowed: the story loses a log. */
  mayLose?: boolean;
  /** Whether it goes to the next server when a connection ends; otherwise it comes back to the same. */
  moves?: boolean;
}

/** An event, when it came and from which server. */
export interface Seen extends ViewedEvent {
  /** `performance.now()`. */
  at: number;
  node: number;
}

/** The connections' way to end: `whole` after a whole event, `broken` in the middle, `none` was opened. */
type End = 'whole' | 'broken' | 'none';

/** A stream that ends before its first event still says when to come back; the unfinished block is no event. */
const NO_EVENT = /^retry: (\d+)\n(?:: hb\n)*$/;
const SHORT_WAIT_MS = 25;

/** Somebody who watches one run to its `done`, coming back after every end of a connection with the last id. */
export class Viewer {
  /** What it holds: every event once; after a `reset` without id, only what came since. */
  list: Seen[] = [];
  /** What a viewer must never meet. */
  readonly problems: string[] = [];
  /** Milliseconds from the end of a connection to the first byte of the next. */
  readonly gaps: number[] = [];
  /** Times at which it was told that what it holds is lost. */
  readonly losses: number[] = [];
  connections = 0;
  /** Where it is connected, or tries to be. */
  node: number;
  /** When it has seen `done`, met a problem or was stopped. */
  readonly over: Promise<void>;
  /** Whether `over` is resolved. */
  hasEnded = false;
  private stopped = false;
  private lostAt: number | undefined;
  private retryMs = 1_000;
  private leave: () => void = () => undefined;

  constructor(
    private readonly urls: string[],
    private readonly api: Api,
    readonly target: Target,
    private readonly options: ViewerOptions = {},
  ) {
    this.node = (options.node ?? 0) % urls.length;
    this.over = this.watch().finally(() => (this.hasEnded = true));
  }

  get isDone(): boolean {
    return this.list.at(-1)?.event === 'done';
  }

  get transport(): 'sse' | 'ws' {
    return this.options.transport ?? 'sse';
  }

  get events(): ViewedEvent[] {
    return this.list.map(({ event, id, data }) => ({ event, id, data }));
  }

  stop(): void {
    this.stopped = true;
    this.leave();
  }

  get isOver(): boolean {
    return this.isDone || this.stopped || this.problems.length > 0;
  }

  private async watch(): Promise<void> {
    while (!this.isOver) {
      const end = await (this.transport === 'ws' ? this.bySocket() : this.bySse());
      if (this.isOver) return;
      if (end !== 'none') this.lostAt ??= performance.now();
      await this.pause(end);
      if (this.options.moves !== false || end === 'none') this.node = (this.node + 1) % this.urls.length;
    }
  }

  private async pause(end: End): Promise<void> {
    const isTold = this.options.patient === true && end === 'whole' && this.transport !== 'ws';
    await delay(isTold ? this.retryMs : SHORT_WAIT_MS);
  }

  private get url(): string {
    return this.urls[this.node]!;
  }

  private bySse(): Promise<End> {
    const { sessionId, runId } = this.target;
    const query = new URLSearchParams({ session_id: sessionId, run_id: runId });
    const last = this.list.at(-1)?.id;
    const headers = {
      accept: 'text/event-stream',
      ...this.api.authorization,
      ...(last === undefined ? {} : { 'last-event-id': last }),
    };
    return new Promise((resolve) => {
      const call = request(`${this.url}/api/agent/stream?${query.toString()}`, { headers, agent: false });
      this.leave = () => call.destroy();
      call.on('error', () => resolve('none'));
      // After the end of an answer this says nothing new.
      call.on('close', () => resolve('none'));
      call.on('response', (response) => this.read(call, response, resolve));
      call.end();
    });
  }

  private read(call: ClientRequest, response: IncomingMessage, resolve: (end: End) => void): void {
    this.connections += 1;
    if (response.statusCode !== 200) {
      this.refused(response.statusCode!);
      call.destroy();
      resolve('none');
      return;
    }
    const { node } = this;
    const parser = new SseParser((block) => this.take(block, node));
    let beginning = '';
    const end = (how: End) => {
      this.problems.push(...parser.problems);
      if (how === 'whole' && !parser.whole && !NO_EVENT.test(beginning))
        this.problems.push(`a clean end inside an event (${this.url})`);
      resolve(how);
    };
    response.on('data', (bytes: Buffer) => {
      this.arrived();
      parser.push(bytes);
      if (parser.blocks.length === 0) beginning += bytes.toString();
      this.retryMs = parser.retries.at(-1) ?? Number(NO_EVENT.exec(beginning)?.[1] ?? this.retryMs);
    });
    response.on('end', () => end('whole'));
    response.on('error', () => undefined);
    response.on('close', () => end('broken'));
  }

  /** 204: the run is over, which is no surprise after `done` alone. */
  private refused(status: number): void {
    this.problems.push(`status ${status} from ${this.url} after ${this.list.at(-1)?.id ?? 'nothing'}`);
  }

  private bySocket(): Promise<End> {
    const url = `${this.url.replace(/^http/, 'ws')}/api/agent/ws`;
    const socket = new WebSocket(url, ['agent.v1'], { headers: this.api.authorization });
    const { node } = this;
    let opened = false;
    this.leave = () => socket.terminate();
    socket.on('open', () => {
      opened = true;
      this.connections += 1;
      const last_event_id = this.list.at(-1)?.id;
      const data = { run_id: this.target.runId, ...(last_event_id ? { last_event_id } : {}) };
      socket.send(JSON.stringify({ event: 'subscribe', data, ref: 'subscribe' }));
    });
    socket.on('message', (bytes: Buffer) => {
      this.arrived();
      this.takeFrame(bytes.toString(), node);
      if (this.isOver) socket.terminate();
    });
    return new Promise((resolve) => {
      socket.on('error', () => undefined);
      socket.on('close', (code) => {
        const isClean = code === 1012 || code === 1001;
        resolve(!opened ? 'none' : isClean ? 'whole' : 'broken');
      });
    });
  }

  private takeFrame(text: string, node: number): void {
    const frame = JSON.parse(text) as { event: string; id?: string; data: Record<string, unknown> };
    if (frame.event === 'ack') return;
    if (frame.event === 'rejected') {
      // A server on its way out takes no new subscriptions; the viewer comes to the next.
      const code = frame.data['code'];
      if (code !== 'draining' && code !== 'unavailable') this.problems.push(`rejected: ${text}`);
      this.leave();
      return;
    }
    this.take({ event: frame.event, id: frame.id, data: JSON.stringify(frame.data) }, node);
  }

  private arrived(): void {
    if (this.lostAt === undefined) return;
    this.gaps.push(performance.now() - this.lostAt);
    this.lostAt = undefined;
  }

  private take({ event, id, data }: Pick<SseBlock, 'event' | 'id' | 'data'>, node: number): void {
    const at = performance.now();
    if (id === undefined) this.lost(event, data, at);
    else {
      const previous = this.list.at(-1);
      const expected = previous === undefined ? 1 : placeOf(previous.id).seq + 1;
      if (placeOf(id).seq !== expected)
        this.problems.push(`${id} from ${this.url} after ${previous?.id ?? 'nothing'}`);
      this.list.push({ event, id, data, at, node });
    }
  }

  private lost(event: string, data: string, at: number): void {
    const isLoss = event === 'reset' && (JSON.parse(data) as { after: unknown }).after === null;
    if (!isLoss || this.options.mayLose !== true) {
      this.problems.push(`${event} without an id from ${this.url}: ${data}`);
      return;
    }
    this.losses.push(at);
    this.list = [];
  }
}
