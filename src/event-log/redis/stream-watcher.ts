import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { LogPlace } from '../log-store.js';
import { BLOCK_GRACE_MS, BLOCK_MS, reconnectMs, type ScriptedRedis } from './redis-connection.js';
import { idOf, isAfter, type RawEntry, runOf, streamKey } from './stream-entry.js';

const WAKE = 'agentline:wake:';
const WAKE_STAYS_MS = 60_000;
/** Entries of one stream in one answer. */
const COUNT = 64;
/** With so many streams an answer is followed by a pause of one millisecond more, since each question names them all. */
const STREAMS_A_MS = 100;
const LONGEST_PAUSE_MS = 20;

export interface StreamWatcherOptions {
  /** Makes a connection for reads that wait. */
  connect: () => ScriptedRedis;
  /** For commands. */
  redis: ScriptedRedis;
  /** Runs to be watched, each from a place on. */
  watched: () => Iterable<[runId: string, place: LogPlace]>;
  hear: (runId: string, entries: readonly RawEntry[]) => void;
  /** Nothing was heard for a while, so anything may have happened. */
  deaf: () => void;
}

/**
 * Waits for new entries in all streams that are watched here, on one connection. It waits in a stream of its own
 * too, which is how a stream that comes to be watched interrupts it.
 */
export class StreamWatcher {
  /** Whether new entries are told at this moment, as far as known. */
  isLive = false;
  private readonly wakeKey = WAKE + randomUUID();
  private wakeId = '0-0';
  private isWaking = false;
  /** Streams in the question that waits for its answer. */
  private asked: ReadonlySet<string> | undefined;
  /** Up to which entry was heard: fences move a stream on, but not the place in the log. */
  private heard = new Map<string, string>();
  private readonly stopped = new AbortController();
  private done: Promise<void> = Promise.resolve();
  private connection: ScriptedRedis | undefined;
  private abandon: () => void = () => {};

  constructor(private readonly options: StreamWatcherOptions) {}

  start(): void {
    this.done = this.watch();
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    this.connection?.disconnect();
    this.abandon();
    await this.done;
  }

  /** Somebody waits for this run: sees to it that its stream is watched. */
  expect(runId: string): void {
    if (this.asked === undefined || this.asked.has(runId) || this.isWaking) return;
    this.isWaking = true;
    const { redis } = this.options;
    // Should it fail, the question ends by itself after a while.
    redis.xadd(this.wakeKey, 'MAXLEN', 1, '*', 'wake', '1').catch(() => undefined);
    redis.pexpire(this.wakeKey, WAKE_STAYS_MS).catch(() => undefined);
  }

  private async watch(): Promise<void> {
    const { signal } = this.stopped;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const connection = this.options.connect();
      this.connection = connection;
      try {
        await connection.connect();
        this.isLive = true;
        failures = 0;
        this.options.deaf();
        while (!signal.aborted) await this.readOnce(connection);
      } catch {
        // Whatever it was, this connection is not used again, and all that is watched is looked at.
        this.isLive = false;
      } finally {
        this.asked = undefined;
        this.isWaking = false;
        connection.disconnect();
      }
      await wait(reconnectMs(failures), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  private async readOnce(connection: ScriptedRedis): Promise<void> {
    const places = this.places();
    const keys = [...places.keys()].map(streamKey);
    this.asked = new Set(places.keys());
    const answer = await this.inTime(
      connection.xread(
        ...(['COUNT', COUNT, 'BLOCK', BLOCK_MS, 'STREAMS'] as const),
        this.wakeKey,
        ...keys,
        this.wakeId,
        ...places.values(),
      ),
    );
    this.asked = undefined;
    this.isWaking = false;
    for (const [key, entries] of (answer ?? []) as [string, RawEntry[]][]) this.take(key, entries);
    const pause = Math.min(LONGEST_PAUSE_MS, Math.floor(keys.length / STREAMS_A_MS));
    if (pause > 0) await wait(pause);
  }

  private take(key: string, entries: readonly RawEntry[]): void {
    const last = entries.at(-1)?.[0];
    if (last === undefined) return;
    if (key === this.wakeKey) {
      this.wakeId = last;
      return;
    }
    this.heard.set(runOf(key), last);
    this.options.hear(runOf(key), entries);
  }

  private places(): Map<string, string> {
    const places = new Map<string, string>();
    const heard = new Map<string, string>();
    for (const [runId, place] of this.options.watched()) {
      const id = idOf(place);
      const before = this.heard.get(runId);
      if (before !== undefined && isAfter(before, id)) {
        heard.set(runId, before);
        places.set(runId, before);
      } else places.set(runId, id);
    }
    this.heard = heard;
    return places;
  }

  /** The driver's own time limits have let reads hang after a failover: this one does not depend on them. */
  private async inTime<T>(answer: Promise<T>): Promise<T> {
    const limit = Promise.withResolvers<never>();
    this.abandon = () => limit.reject(new Error('The read was not answered in time.'));
    const timer = setTimeout(this.abandon, BLOCK_MS + BLOCK_GRACE_MS + 500).unref();
    // Which of the two comes later is of no interest, whatever its outcome.
    for (const each of [answer, limit.promise]) each.catch(() => undefined);
    try {
      return await Promise.race([answer, limit.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
