import { Inject, Injectable, Logger } from '@nestjs/common';
import { AppError, hasCode } from '../errors/app-error.js';
import { networkOf } from '../telemetry/client-address.js';
import { LimitRepository } from './limit.repository.js';
import { limitsConfig, type LimitsConfig } from './limits.config.js';

const HOUR_MS = 3_600_000;
/** Failures of an account from anywhere, for each that is allowed from one address. */
const ANYWHERE = 10;

/** Who tries to prove something, as far as they say. */
interface Trier {
  /** What they say they are, whether that exists or not; not there: they do not say it to us. */
  account?: string | undefined;
  /** The client's address; behind trusted proxies what these say of it. */
  address: string | undefined;
}

/**
 * Bounds guessing: how often somebody may fail to prove who they are, in an hour (NIST SP 800-63B §5.2.2, OWASP ASVS
 * 5.0 V6.3.1), by account and address together, by address, and far more widely by account alone: whoever guesses from
 * elsewhere does not lock the account for its user soon. It counts what was tried, so the answer is the same for
 * accounts that are not there, and also for the right secret once a count is full. Stored, so that neither another node
 * nor a restart
 * helps.
 */
@Injectable()
export class Attempts {
  private readonly logger = new Logger(Attempts.name);
  /** What is being tried now, by what it is counted for. */
  private readonly underWay = new Map<string, Set<Promise<void>>>();

  constructor(
    private readonly counters: LimitRepository,
    @Inject(limitsConfig.KEY) private readonly config: LimitsConfig,
  ) {}

  /**
   * Counts a try before it is made, so that a thousand at once are no more than one after the other. Success clears
   * the account's count at this address. A try that could not be decided, because something else failed, does not
   * count.
   * @param work the try; undefined, and an AppError below 500 but 429: it has failed.
   * @throws AppError `too_many_requests`, and what `work` throws.
   */
  async guard<T>({ account, address }: Trier, work: () => Promise<T>): Promise<T> {
    const { signInFailures } = this.config;
    const network = networkOf(address);
    const scopes = new Map([[`failures:address:${network}`, signInFailures.address]]);
    let pair: string | undefined;
    if (account !== undefined) {
      const name = account.toLowerCase();
      pair = `failures:account:${name}:${network}`;
      scopes.set(pair, signInFailures.account);
      scopes.set(`failures:account:${name}`, signInFailures.account * ANYWHERE);
    }
    const counted: string[] = [];
    const { promise: decided, resolve: settle } = Promise.withResolvers<void>();
    try {
      await this.countAll(scopes, (scope) => {
        counted.push(scope);
        this.begin(scope, decided);
      });
      return await this.decide(counted, pair, work);
    } finally {
      for (const scope of counted) this.end(scope, decided);
      settle();
    }
  }

  /** All of them in the same order, so that of those who wait for each other one always goes on. */
  private async countAll(
    scopes: ReadonlyMap<string, number>,
    onCounted: (scope: string) => void,
  ): Promise<void> {
    const counted: string[] = [];
    try {
      for (const [scope, limit] of scopes) {
        await this.countAfterOthers(scope, limit);
        counted.push(scope);
        onCounted(scope);
      }
    } catch (error) {
      await this.uncount(counted);
      throw error;
    }
  }

  /** @param pair which of what was counted a success clears. */
  private async decide<T>(counted: string[], pair: string | undefined, work: () => Promise<T>): Promise<T> {
    let proved: T;
    try {
      proved = await work();
    } catch (error) {
      if (!isRefusal(error)) await this.uncount(counted);
      throw error;
    }
    if (proved === undefined) return proved;
    await this.uncount(counted.filter((scope) => scope !== pair));
    if (pair !== undefined) await this.tryTo(() => this.counters.forget(pair));
    return proved;
  }

  private async uncount(scopes: readonly string[]): Promise<void> {
    for (const scope of scopes) await this.tryTo(() => this.counters.giveBack(scope, 1));
  }

  /** The answer is known already: that a count stays too high for an hour must not change it. */
  private async tryTo(change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } catch (error) {
      this.logger.warn({ err: error }, 'A sign-in that has not failed stays counted as one that has');
    }
  }

  /** Where the count is full of tries that are not decided yet, these come first: they may be right. */
  private async countAfterOthers(scope: string, limit: number): Promise<void> {
    for (;;) {
      const before = [...(this.underWay.get(scope) ?? [])];
      try {
        return await this.count(scope, limit);
      } catch (error) {
        // Those that were decided while it was counted may have been right as well.
        const others = [...before, ...(this.underWay.get(scope) ?? [])];
        if (!hasCode(error, 'too_many_requests') || others.length === 0) throw error;
        await Promise.all(others);
      }
    }
  }

  private async count(scope: string, limit: number): Promise<void> {
    const ask = { scope, limit, windowMs: HOUR_MS, need: 1, share: 1 };
    const { granted, endsInMs } = await this.counters.take(ask);
    if (granted > 0) return;
    throw new AppError('too_many_requests', 'Too many sign-ins have failed: wait, then try again.', {
      retryAfter: Math.max(1, Math.ceil(endsInMs / 1_000)),
    });
  }

  private begin(scope: string, decided: Promise<void>): void {
    const all = this.underWay.get(scope) ?? new Set();
    this.underWay.set(scope, all.add(decided));
  }

  private end(scope: string, decided: Promise<void>): void {
    const all = this.underWay.get(scope);
    all?.delete(decided);
    if (all?.size === 0) this.underWay.delete(scope);
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.status < 500 && error.status !== 429;
}
