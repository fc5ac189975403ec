import { setTimeout as wait } from 'node:timers/promises';
import type { News, ReadNews } from '../log-store.js';
import type { RunTail } from './run-tail.js';
import type { TailReader } from './tail-reader.js';
import type { TailRegistry } from './tail-registry.js';

/** Between two questions, in milliseconds: what is told meanwhile is asked for together. */
const PAUSE_MS = 10;

/**
 * Reads what other processes have written, of all runs they told of in one question. A hundred runs that are
 * followed here would otherwise cost a question each for every commit elsewhere.
 */
export class NewsReader {
  private told = new Set<string>();
  private isReading = false;

  constructor(
    private readonly readNews: ReadNews,
    private readonly tails: TailRegistry,
    private readonly reader: TailReader,
  ) {}

  /** These runs have something new. */
  tell(runIds: readonly string[]): void {
    for (const runId of runIds) if (this.tails.find(runId) !== undefined) this.told.add(runId);
    if (!this.isReading && this.told.size > 0) void this.readAll();
  }

  private async readAll(): Promise<void> {
    this.isReading = true;
    while (this.told.size > 0) {
      const runIds = [...this.told];
      this.told = new Set();
      await this.read(runIds);
      await wait(PAUSE_MS);
    }
    this.isReading = false;
  }

  private async read(runIds: string[]): Promise<void> {
    const places = new Map<string, number>();
    for (const runId of runIds) {
      const tail = this.tails.find(runId);
      const seq = tail?.isOwned === true ? undefined : tail?.end?.seq;
      if (seq === undefined) void this.reader.catchUp(runId);
      else places.set(runId, seq);
    }
    // A database that is away is looked at again by whoever follows.
    const news = await this.readNews(places).catch(() => undefined);
    if (news === undefined) return;
    for (const runId of places.keys()) this.hand(runId, this.tails.find(runId), news);
  }

  /** Nothing new although it was told: the log may have been begun anew, which takes a closer look. */
  private hand(runId: string, tail: RunTail | undefined, news: News): void {
    const pages = news.pages.get(runId);
    if (pages !== undefined) tail?.push(pages);
    else if (!news.hasMore) void this.reader.catchUp(runId);
    if (news.hasMore) this.told.add(runId);
  }
}
