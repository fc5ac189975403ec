import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Socket } from 'node:net';
import type { Descriptor, RawRequest, Seen } from './candidate.ts';
import { EventReader } from './event-reader.ts';
import type { Load, LoadViewer } from './load.ts';
import { MarkCounter } from './mark-counter.ts';
import { planText } from './plan.ts';
import { requestText } from './request-text.ts';
import { ResponseBody } from './response-body.ts';

const KEPT_BEGINNING = 4_096;
/** How often, and how soon, it comes back to a server that has ended its stream early. */
const MOST_RETURNS = 20;
const RETURN_MS = 500;
/** 0: the head has not come whole. Nest answers a POST with 201. */
const OPEN_STATUS = new Set([0, 101, 200, 201]);

/** What viewers of one load tell about times, in milliseconds. */
export interface Times {
  firstToken: number[];
  latency: number[];
  resumed: number[];
}

/** One viewer on a raw socket: everything that it is sent is counted, whatever the framing. */
export class Viewer {
  /** Settles when it has all, or when something is wrong. */
  readonly over: Promise<void>;
  /** Settles when the first event has come: others can watch the run then. */
  readonly begun: Promise<void>;
  readonly problems: string[] = [];
  hasBeenCut = false;
  /** How often it came back because the server had ended its stream early. */
  returns = 0;
  /** It was cut, and has had a token since. */
  isBack = false;
  private readonly marks: MarkCounter;
  private readonly events: EventReader | undefined;
  private body = new ResponseBody();
  private socket: Socket | undefined;
  private beginning = '';
  private askedAt = 0;
  private isAwaited = true;
  private tellOver: () => void = () => {};
  private tellBegun: () => void = () => {};
  private readonly load: Load;
  private readonly plan: LoadViewer;
  private readonly descriptor: Descriptor;
  private readonly times: Times;
  private readonly gate: () => Promise<void>;

  /** @param gate what a viewer that was cut waits for before it comes back. */
  constructor(load: Load, plan: LoadViewer, descriptor: Descriptor, times: Times, gate: () => Promise<void>) {
    this.load = load;
    this.plan = plan;
    this.descriptor = descriptor;
    this.times = times;
    this.gate = gate;
    this.over = new Promise((resolve) => (this.tellOver = resolve));
    this.begun = new Promise((resolve) => (this.tellBegun = resolve));
    this.marks = new MarkCounter(plan.run.run, (n, stamp) => this.sawMark(n, stamp));
    const { resume, sequence, lastEvent, ignoredEvent } = descriptor;
    const needsEvents = [resume, sequence, lastEvent, ignoredEvent].some((each) => (each ?? null) !== null);
    if (needsEvents && plan.socket !== true) this.events = new EventReader(descriptor);
  }

  get tokens(): number {
    return this.marks.next;
  }

  get seen(): Seen {
    const { beginning } = this;
    return { run: this.plan.run, received: this.tokens, lastEventId: this.events?.lastEventId, beginning };
  }

  /** Starts the run, or watches the run of `starter`. */
  start(starter?: Viewer): void {
    this.open(this.firstRequest(starter?.seen));
  }

  /** Ends it, with what is missing as a problem. */
  giveUp(reason: string): void {
    if (!this.isAwaited) return;
    this.problems.push(`run ${this.plan.run.run}: ${reason}, with ${this.tokens} of ${this.plan.run.tokens}`);
    this.finish();
  }

  private firstRequest(started: Seen | undefined): RawRequest {
    const { descriptor, load, plan } = this;
    if (started === undefined) return descriptor.request(planText(plan.run), load.prepared);
    const watch = plan.socket === true ? descriptor.watchSocket : descriptor.watch;
    if (watch === undefined) throw new Error(`${descriptor.name} has no way to watch a run`);
    return watch(started, load.prepared);
  }

  private open(request: RawRequest): void {
    const socket = connect({ port: this.load.port, host: '127.0.0.1', noDelay: true });
    this.body = new ResponseBody();
    this.socket = socket;
    this.askedAt = performance.now();
    socket.write(requestText(request, this.load.port));
    socket.on('data', (data: Buffer) => this.read(socket, data));
    socket.on('error', (error) => this.ended(socket, error.message));
    socket.on('close', () => this.ended(socket, 'the connection was closed'));
  }

  private read(socket: Socket, data: Buffer): void {
    if (socket !== this.socket) return;
    const text = this.body.take(data.toString('latin1'));
    if (this.body.status === 204 && this.hasAll()) {
      // It was cut in the part that was the last: nothing is left to be sent.
      this.finish();
      return;
    }
    if (this.body.status === 503 && this.mayReturn()) {
      void this.comeBackLater();
      return;
    }
    if (!OPEN_STATUS.has(this.body.status)) {
      const said = Buffer.from(text.slice(0, 300), 'latin1').toString().replaceAll('\n', ' ');
      this.giveUp(`the answer is ${this.body.status} ${said}`);
      return;
    }
    if (this.beginning.length < KEPT_BEGINNING && text !== '') {
      this.beginning = (this.beginning + text).slice(0, KEPT_BEGINNING);
      if (this.beginning.includes('\n\n')) this.tellBegun();
    }
    this.marks.take(this.events === undefined ? text : this.events.take(text));
    if (this.mustCut()) this.cut();
    else if (this.body.isWhole) this.ended(socket, 'the answer ended');
    else if (this.plan.socket === true && this.tokens >= this.plan.run.tokens) this.finish();
  }

  private mustCut(): boolean {
    const { cutAfter } = this.plan;
    return cutAfter !== undefined && !this.hasBeenCut && this.tokens >= cutAfter;
  }

  private cut(): void {
    this.hasBeenCut = true;
    const { socket } = this;
    this.socket = undefined;
    socket?.destroy();
    this.marks.cut();
    this.events?.cut();
    void this.comeBack();
  }

  private async comeBack(): Promise<void> {
    await this.gate();
    const { resume } = this.descriptor;
    if (this.isAwaited && resume !== null) this.open(resume(this.seen, this.load.prepared));
  }

  private sawMark(n: number, stamp: number | undefined): void {
    const now = performance.now();
    if (this.askedAt > 0) {
      (this.hasBeenCut ? this.times.resumed : this.times.firstToken).push(now - this.askedAt);
      this.askedAt = 0;
      this.isBack = this.hasBeenCut;
    }
    if (stamp === undefined || this.hasBeenCut || n % 4 !== 0) return;
    this.times.latency.push((Number(process.hrtime.bigint() / 1000n) - stamp) / 1000);
  }

  private ended(socket: Socket, how: string): void {
    if (socket !== this.socket || !this.isAwaited) return;
    if (this.body.isWhole && this.hasAll()) this.finish();
    else if (this.body.isWhole && this.mayReturn()) void this.comeBackLater();
    else this.giveUp(this.tokens < this.plan.run.tokens ? how : `${how}, without its end`);
  }

  /** A response that ends well, but before the last event, asks its viewer to come back. */
  private mayReturn(): boolean {
    const { resume } = this.descriptor;
    return resume !== null && this.events?.lastEventId !== undefined && this.returns < MOST_RETURNS;
  }

  private async comeBackLater(): Promise<void> {
    this.returns += 1;
    const { socket } = this;
    this.socket = undefined;
    socket?.destroy();
    this.marks.cut();
    this.events?.cut();
    await pause(RETURN_MS);
    const { resume } = this.descriptor;
    if (this.isAwaited && resume !== null) this.open(resume(this.seen, this.load.prepared));
  }

  private hasAll(): boolean {
    if (this.tokens < this.plan.run.tokens) return false;
    return this.descriptor.lastEvent === undefined || (this.events?.hasLastEvent ?? true);
  }

  private finish(): void {
    this.isAwaited = false;
    this.problems.push(...this.marks.problems, ...(this.events?.problems ?? []));
    this.socket?.destroy();
    this.tellBegun();
    this.tellOver();
  }
}
