import { AppError } from '../../errors/app-error.js';
import type { LogEnd, LogPage } from '../event-log.js';
import { LogLost } from '../log-lost.js';
import { lastSeq, pageAfter } from '../log-page.js';
import {
  type Continuation,
  endOf,
  type LogPlace,
  type LogStore,
  type PageOutcome,
  READ_SIZE,
  writerKey,
} from '../log-store.js';
import { formatPage } from '../page-text.js';
import type { ScriptedRedis } from './redis-connection.js';
import { explainRedisError } from './redis-errors.js';
import { pagesOf, streamKey } from './stream-entry.js';

/** For so long after a run was removed its readers elsewhere are told, in milliseconds. */
const TOLD_MS = 3_600_000;
/** Runs in one question. */
const RUNS_A_QUESTION = 100;

/** Pages as entries of Redis streams, one stream a run. */
export class RedisLogStore implements LogStore {
  /** @param retentionMs how long a log stays after its last event. */
  constructor(
    private readonly redis: ScriptedRedis,
    private readonly retentionMs: number,
  ) {}

  async begin(runId: string, attempt: number, leastSeq: number): Promise<LogEnd | undefined> {
    const key = streamKey(runId);
    const begun = await this.ask(this.redis.logBegin(key, attempt, leastSeq, this.retentionMs));
    if (begun === 'fenced') throw new AppError('fenced', 'Another process has taken this run over.');
    const [seq] = begun as [number, number];
    return seq === 0 ? undefined : endOf(await this.recent(runId, 1));
  }

  async insert(pages: readonly LogPage[]): Promise<Map<string, PageOutcome>> {
    const writers = [...Map.groupBy(pages, writerKey)];
    // All are sent before the first is answered; one that fails does not hide what became of the others.
    const answers = await Promise.allSettled(writers.map(([, own]) => this.append(own)));
    const outcomes = new Map<string, PageOutcome>();
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 'rejected') throw answer.reason;
      outcomes.set(writers[index]?.[0] ?? '', answer.value);
    }
    return outcomes;
  }

  async readAfter(runId: string, { seq, attempt = 0 }: LogPlace): Promise<Continuation | 'removed'> {
    const read = await this.ask(this.redis.logRead(streamKey(runId), seq, attempt, READ_SIZE));
    if (read === 'removed') return read;
    if (read === 'lost') throw new LogLost(runId);
    const [at, ...parts] = read as [number, ...string[]];
    const pages = pagesOf(runId, parts).map((page) => pageAfter(page, seq));
    return { attempt: at === 0 ? undefined : at, pages };
  }

  async recent(runId: string, size: number): Promise<LogPage[]> {
    const parts = await this.ask(this.redis.logRecent(streamKey(runId), size));
    return pagesOf(runId, parts as string[]).toReversed();
  }

  async ends(runIds: readonly string[]): Promise<Map<string, LogPlace>> {
    const ends = new Map<string, LogPlace>();
    for (let from = 0; from < runIds.length; from += RUNS_A_QUESTION) {
      const some = runIds.slice(from, from + RUNS_A_QUESTION);
      const answer = await this.ask(this.redis.logEnds(some.length, ...some.map(streamKey)));
      const numbers = answer as number[];
      for (const [index, runId] of some.entries()) {
        const [seq = 0, attempt = 0] = numbers.slice(index * 2, index * 2 + 2);
        if (seq !== 0) ends.set(runId, { seq, attempt });
      }
    }
    return ends;
  }

  async has(runId: string, attempt: number, seq: number): Promise<boolean> {
    const key = streamKey(runId);
    const found = await this.ask(this.redis.xrange(key, `${attempt}-${seq}`, String(attempt), 'COUNT', 1));
    const firstSeq = found[0]?.[1][1];
    return firstSeq !== undefined && Number(firstSeq) <= seq;
  }

  async remove(runId: string): Promise<void> {
    await this.ask(this.redis.logRemove(streamKey(runId), TOLD_MS));
  }

  private async append(pages: readonly LogPage[]): Promise<PageOutcome> {
    const [first] = pages;
    if (first === undefined) return 'accepted';
    const parts = pages.flatMap((page) => [page.firstSeq, lastSeq(page), formatPage(page.entries)]);
    const answer = this.redis.logAppend(streamKey(first.runId), first.attempt, this.retentionMs, ...parts);
    return (await this.ask(answer)) as PageOutcome;
  }

  private async ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw explainRedisError(error);
    }
  }
}
