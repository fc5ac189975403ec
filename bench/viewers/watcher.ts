import type { Descriptor, RawRequest, Seen } from '../harness/candidate.ts';
import { EventReader } from '../harness/event-reader.ts';
import { MarkCounter } from '../harness/mark-counter.ts';
import { planText, type RunPlan } from '../harness/plan.ts';
import { Connection } from './connection.ts';
import type { Order } from './order.ts';

const KEPT_BEGINNING = 4_096;
const SOCKET_ID = /^\{"event":"\w+","id":"([^"]+)"/;

/** One viewer of a run: what it is sent is counted mark by mark, over a cut as well. */
export class Watcher {
  readonly problems: string[] = [];
  isDone = false;
  cuts = 0;
  connection: Connection;
  /** When its first and its last token came, in milliseconds of `performance.now()`. */
  firstAt = 0;
  lastAt = 0;
  /** Settles when it has all, or when something is wrong. */
  readonly over: Promise<void>;
  /** Settles when its first event has come, or when something is wrong. */
  readonly begun: Promise<void>;
  private readonly run: RunPlan;
  private readonly marks: MarkCounter;
  /** Of a response; undefined while it is a socket. */
  private events: EventReader | undefined;
  private lastSocketId: string | undefined;
  private readonly cutAfter: number | undefined;
  private readonly order: Order;
  private readonly descriptor: Descriptor;
  private beginning = '';
  private tellOver: () => void = () => {};
  private tellBegun: () => void = () => {};

  /** @param starter the viewer that has started the run; without one it is this one. */
  constructor(order: Order & { run: RunPlan }, descriptor: Descriptor, starter?: Watcher, cutAfter?: number) {
    this.order = order;
    this.descriptor = descriptor;
    this.run = order.run;
    this.cutAfter = descriptor.resume === null ? undefined : cutAfter;
    this.over = new Promise((resolve) => (this.tellOver = resolve));
    this.begun = new Promise((resolve) => (this.tellBegun = resolve));
    this.marks = new MarkCounter(this.run.run, (n) => {
      if (n === 0) this.firstAt = performance.now();
      if (n === this.run.tokens - 1) this.lastAt = performance.now();
    });
    if (order.kind === 'sse' || starter === undefined) this.events = new EventReader(descriptor);
    this.connection = this.open(starter);
  }

  get tokens(): number {
    return this.marks.next;
  }

  get beats(): number {
    return this.connection.beats;
  }

  get seen(): Seen {
    const { run, tokens, beginning } = this;
    const lastEventId = this.events?.lastEventId ?? this.lastSocketId;
    return { run, received: tokens, lastEventId, beginning };
  }

  private open(starter: Watcher | undefined): Connection {
    const { kind, prepared } = this.order;
    const { request, watch, watchSocket } = this.descriptor;
    if (starter === undefined) return this.connect(request(planText(this.run), prepared));
    const way = kind === 'socket' ? watchSocket : watch;
    if (way === undefined) throw new Error(`${this.descriptor.name} has no way to watch a run`);
    return this.connect(way(starter.seen, prepared));
  }

  private connect(request: RawRequest): Connection {
    return new Connection(request, this.order.port, {
      text: (text) => this.read(text),
      ended: (problem) => this.ended(problem),
    });
  }

  private read(text: string): void {
    if (this.beginning.length < KEPT_BEGINNING) {
      this.beginning = (this.beginning + text).slice(0, KEPT_BEGINNING);
      if (this.events === undefined || this.beginning.includes('\n\n')) this.tellBegun();
    }
    if (this.events === undefined) this.readMessage(text);
    this.marks.take(this.events === undefined ? text : this.events.take(text));
    if (this.cutAfter !== undefined && this.cuts === 0 && this.tokens >= this.cutAfter) this.comeBack();
    else if (this.events === undefined && this.tokens >= this.run.tokens) this.ended(undefined);
  }

  /** One whole message of a socket: its event must be the next one. */
  private readMessage(text: string): void {
    const id = SOCKET_ID.exec(text)?.[1];
    if (id === undefined) return;
    const { sequence } = this.descriptor;
    const before = this.lastSocketId;
    this.lastSocketId = id;
    if (sequence === undefined || sequence(id) === (before === undefined ? 0 : sequence(before)) + 1) return;
    this.problems.push(`event ${id} came after ${before ?? 'nothing'}`);
  }

  /** A socket comes back as a response: the events and their ids are the same. */
  private comeBack(): void {
    const { resume } = this.descriptor;
    if (resume === null) return;
    this.cuts += 1;
    this.connection.cut();
    this.marks.cut();
    this.events?.cut();
    const { seen } = this;
    if (this.events === undefined) {
      this.events = new EventReader(this.descriptor);
      this.events.lastEventId = seen.lastEventId;
    }
    this.connection = this.connect(resume(seen, this.order.prepared));
  }

  private ended(problem: string | undefined): void {
    if (this.isDone) return;
    this.isDone = true;
    this.connection.cut();
    const { run, tokens, events } = this;
    this.problems.push(...this.marks.problems, ...(events?.problems ?? []));
    if (problem !== undefined || tokens < run.tokens) {
      this.problems.push(`run ${run.run}: ${problem ?? 'the answer ended'}, with ${tokens} of ${run.tokens}`);
    } else if (events !== undefined && this.descriptor.lastEvent !== undefined && !events.hasLastEvent) {
      this.problems.push(`run ${run.run}: the last event is missing`);
    }
    this.tellBegun();
    this.tellOver();
  }
}
