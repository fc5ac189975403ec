import { ViewPlanner } from '../../../src/agent/follow/view-planner.js';
import { ViewReader } from '../../../src/agent/follow/view-reader.service.js';
import { AppError } from '../../../src/errors/app-error.js';
import type { EventLog } from '../../../src/event-log/event-log.js';
import { DecisionsService } from '../../../src/runs/decisions.service.js';
import { DecisionRepository } from '../../../src/runs/queue/decision.repository.js';
import { LeaseRepository } from '../../../src/runs/queue/lease.repository.js';
import { LogRestorer } from '../../../src/runs/log-restorer.service.js';
import { ADA, RunBench } from '../runs/run-bench.js';
import { RunNode } from '../runs/run-node.js';
import { addTools, scriptedModel } from './scripts.js';
import { type Call, DistantStore } from './shared-store.js';
import type { Process } from './virtual-clock.js';
import type { World } from './world.js';

export const LEASE_MS = 3_000;
export const RUN_TIMEOUT_MS = 30_000;
export const APPROVAL_TIMEOUT_MS = 4_000;
/** Longer than a lease: who waits for it has lost what it held. */
export const LONG_MS = 6_000;

/**
 * What happens to one call to the store. `lost answer`: it took effect, and the caller hears that the store is away.
 * `late effect`: the caller hears the same, and it takes effect a while after. `slow request` and `slow answer` take
 * longer than a lease. `crash before` and `crash after`: the process dies on the way there, on the way back.
 */
export const FAULTS = [
  'refused',
  'lost answer',
  'late effect',
  'slow request',
  'slow answer',
  'crash before',
  'crash after',
] as const;
export type Fault = (typeof FAULTS)[number];

/** `refusing`: calls fail at once, `silent`: they are not answered until the client gives up. */
export type Link = 'up' | 'refusing' | 'silent';

/** One process of the server: the real code over a store, timers and notices that the story has in hand. */
export class VirtualNode implements Process {
  state: 'up' | 'paused' | 'dead' = 'up';
  link: Link = 'up';
  /** Stood still until then: what it does at that moment it cannot know to be late. */
  pausedUntil = -Infinity;
  /** Until then one of its calls took longer than a lease. */
  waitedUntil = -Infinity;
  readonly bench: RunBench;
  readonly runs: RunNode;
  readonly decisions: DecisionsService;
  readonly planner: ViewPlanner;
  readonly reader: ViewReader;
  private readonly death = Promise.withResolvers<never>();
  private resumed = Promise.withResolvers<void>();
  private fault: { kind: Fault; calls: number } | undefined;

  constructor(
    readonly index: number,
    private readonly world: World,
  ) {
    this.death.promise.catch(() => undefined);
    const store = new DistantStore(world.store, world.bus.join(this), (call) => this.reach(call));
    this.bench = new RunBench(store);
    addTools(this, world);
    this.runs = world.clock.as(
      this,
      () =>
        new RunNode(this.bench, scriptedModel(this, world), {
          leases: new LeaseRepository(store, { LEASE_MS }),
          config: {
            LEASE_MS,
            RUN_TIMEOUT_MS,
            APPROVAL_TIMEOUT_MS,
            TOOL_TIMEOUT_MS: 5_000,
            MAX_ACTIVE_RUNS: 3,
          },
        }),
    );
    const { log, next, dispatcher } = this.runs;
    this.decisions = new DecisionsService(new DecisionRepository(store), dispatcher);
    const { runs, messages, ledger } = this.bench;
    this.planner = new ViewPlanner(log, {
      find: (id) => runs.find(ADA, id),
      latest: nobody,
      firstOpen: nobody,
    });
    const restorer = new LogRestorer(log, runs, messages, ledger);
    this.reader = new ViewReader(log, restorer, runs, next);
    world.processes.set(this.name, this);
    this.noteEndings(log);
    world.clock.as(this, () => void this.runs.dispatcher.onApplicationBootstrap().catch(() => undefined));
  }

  get name(): string {
    return this.runs.leases.holder;
  }

  /** What a client asks of it: the connection breaks when the process dies. */
  serve<T>(work: () => Promise<T>): Promise<T> {
    return Promise.race([this.world.clock.as(this, work), this.death.promise]);
  }

  crash(): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    this.world.counts.crashes += 1;
    this.death.reject(new Error('the connection broke'));
  }

  pause(): void {
    if (this.state !== 'up') return;
    this.state = 'paused';
    this.resumed = Promise.withResolvers();
  }

  resume(): void {
    if (this.state !== 'paused') return;
    this.state = 'up';
    this.pausedUntil = this.world.clock.now;
    this.resumed.resolve();
  }

  /** SIGTERM: gives its runs back, then ends. */
  async drain(): Promise<void> {
    if (this.state !== 'up') return;
    await this.serve(() => this.runs.dispatcher.drain(1_000)).catch(() => undefined);
    this.state = 'dead';
    this.death.reject(new Error('the connection was closed'));
  }

  /** The call after so many others meets this fault. */
  plan(kind: Fault, calls: number): void {
    this.fault = { kind, calls };
  }

  heal(): void {
    this.fault = undefined;
    this.link = 'up';
    this.resume();
  }

  private noteEndings(log: EventLog): void {
    const { clock, endings } = this.world;
    const open = log.writer.bind(log);
    log.writer = async (runId, ...place) => {
      const writer = await open(runId, ...place);
      const end = writer.end.bind(writer);
      writer.end = (...last) => {
        if (!endings.has(runId)) endings.set(runId, clock.now);
        return end(...last);
      };
      return writer;
    };
  }

  private async reach<T>(call: Call<T>): Promise<T> {
    const { clock, random } = this.world;
    await this.awake();
    const fault = this.takeFault();
    if (fault === 'crash before') this.crash();
    if (fault === 'refused') throw away();
    // A transaction holds its locks: whoever says it again waits for what became of it.
    if (fault === 'late effect' && !call.isTransaction) {
      clock.as(undefined, () =>
        clock.set(() => void this.arrive(call).catch(() => undefined), random.between(0, 2_000)),
      );
      throw away();
    }
    await clock.sleep(fault === 'slow request' ? LONG_MS : random.between(0, 15));
    await this.cross();
    const outcome = await settled(this.arrive(call));
    if (fault === 'slow request') this.waitedUntil = clock.now;
    if (fault === 'crash after') this.crash();
    await clock.sleep(fault === 'slow answer' ? LONG_MS : random.between(0, 15));
    if (fault === 'slow answer') this.waitedUntil = clock.now;
    await this.cross();
    await this.awake();
    if (fault === 'lost answer' || fault === 'late effect') throw away();
    return outcome();
  }

  /** The statement is at the store: what it changes is shown to the model at once. */
  private async arrive<T>({ effect, isRefused }: Call<T>): Promise<T> {
    try {
      const result = await effect();
      if (isRefused(result)) this.world.counts.refused += 1;
      this.world.observe(this);
      return result;
    } catch (error) {
      if (error instanceof AppError && error.code === 'fenced') this.world.counts.refused += 1;
      throw error;
    }
  }

  private async cross(): Promise<void> {
    if (this.link === 'up') return;
    await this.world.clock.sleep(this.link === 'silent' ? LONG_MS : 50);
    await this.awake();
    throw away();
  }

  private async awake(): Promise<void> {
    while (this.state === 'paused') await this.resumed.promise;
    if (this.state === 'dead') await new Promise<never>(() => undefined);
  }

  private takeFault(): Fault | undefined {
    if (this.fault === undefined) return undefined;
    this.fault.calls -= 1;
    if (this.fault.calls >= 0) return undefined;
    const { kind } = this.fault;
    this.fault = undefined;
    return kind;
  }
}

function away(): AppError {
  return new AppError('unavailable', 'The store cannot be reached.', { retryAfter: 1 });
}

async function settled<T>(work: Promise<T>): Promise<() => T> {
  try {
    const result = await work;
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

async function nobody(): Promise<undefined> {}
