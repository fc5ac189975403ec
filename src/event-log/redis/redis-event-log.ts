import type { LogPage } from '../event-log.js';
import type { LogPlace } from '../log-store.js';
import { lastSeq } from '../log-page.js';
import { HOLD_MS, StoredEventLog, type StoredLogOptions } from '../stored-event-log.js';
import { checkRedis } from './check-redis.js';
import { connectForCommands, connectForWaiting, placeOf, type ScriptedRedis } from './redis-connection.js';
import { RedisLogStore } from './redis-log-store.js';
import { idOf, isAfter, type RawEntry, readEntry } from './stream-entry.js';
import { StreamWatcher } from './stream-watcher.js';

/** Watched logs are looked at so often, in milliseconds: while their streams are heard, and while not. */
const LOOK_MS = { live: 3_000, deaf: 250 };

export interface RedisLogOptions extends StoredLogOptions {
  /** `redis://` or `rediss://` with all that is needed to sign in. */
  url: string;
  /** How long a log stays after its last event, in milliseconds. */
  retentionMs: number;
  /** Told what the operator should know. */
  warn?: (text: string) => void;
}

/** The log as Redis streams, one a run. */
export class RedisEventLog extends StoredEventLog {
  private readonly redis: ScriptedRedis;
  private readonly watcher: StreamWatcher;

  constructor(private readonly options: RedisLogOptions) {
    const redis = connectForCommands(options.url, options.holdMs ?? HOLD_MS);
    super(new RedisLogStore(redis, options.retentionMs), options);
    this.redis = redis;
    this.watcher = new StreamWatcher({
      connect: () => connectForWaiting(options.url),
      redis,
      watched: () => this.places(),
      hear: (runId, entries) => this.hear(runId, entries),
      deaf: () => void this.look(),
    });
  }

  override describe(): string {
    return `Redis Streams at ${placeOf(this.options.url)}`;
  }

  override async open(): Promise<void> {
    await checkRedis(this.redis, placeOf(this.options.url), this.options.warn ?? (() => {}));
    this.watcher.start();
  }

  override async close(): Promise<void> {
    await super.close();
    await this.watcher.stop();
    this.redis.disconnect();
  }

  protected override lookAgainMs(): number {
    return this.watcher.isLive ? LOOK_MS.live : LOOK_MS.deaf;
  }

  protected override expect(runId: string): void {
    if (this.tails.find(runId)?.isOwned !== true) this.watcher.expect(runId);
  }

  /** What is written here is shown from memory; of a tail that knows nothing, its readers read first. */
  private *places(): Generator<[runId: string, place: LogPlace]> {
    for (const [runId, tail] of this.tails.watched()) {
      if (tail.end !== undefined && !tail.isOwned) yield [runId, tail.end];
    }
  }

  /** Pages that join go into the tail as they are; anything else is left to a look into the stream. */
  private hear(runId: string, entries: readonly RawEntry[]): void {
    const tail = this.tails.find(runId);
    let place = tail?.end;
    if (tail === undefined || place === undefined) return;
    const from = idOf(place);
    const pages: LogPage[] = [];
    for (const raw of entries.filter(([id]) => isAfter(id, from))) {
      const entry = readEntry(runId, raw);
      if (entry.kind === 'page' && entry.page.firstSeq === place.seq + 1) {
        pages.push(entry.page);
        place = { seq: lastSeq(entry.page), attempt: entry.page.attempt };
      } else if (
        entry.kind !== 'fence' ||
        entry.end.seq !== place.seq ||
        entry.end.attempt !== place.attempt
      ) {
        void this.reader.catchUp(runId);
        return;
      }
    }
    tail.push(pages);
  }
}
