import { randomUUID } from 'node:crypto';
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Database } from '../database/database.js';
import { AppError } from '../errors/app-error.js';
import { Metrics } from '../telemetry/metrics.js';
import { LimitRepository } from './limit.repository.js';
import { type Limited, type LimitScope, type Measure, scopesOf } from './limit-scopes.js';
import { limitsConfig, type LimitsConfig } from './limits.config.js';
import { RateWindows, type Taken } from './rate-windows.js';
import { SharedHolding } from './shared-holding.js';
import { type SlotClaim, Slots } from './slots.js';

const MINUTE_MS = 60_000;
/** Longest wait for the shared counters: after it this node goes on alone. */
const ANSWER_MS = 2_000;
/** Milliseconds for which they are not asked again after they did not answer. */
const AWAY_MS = 1_000;
const CLEAN_MS = 600_000;
/** How often refused streams shall come back, in seconds, spread out. */
const STREAM_RETRY_S = { least: 5, most: 10 };

/** What was asked of one limit, and what came of it. */
export interface LimitAnswer extends LimitScope, Taken {}

/**
 * What users, their keys and their tenants may do, over all nodes. On the embedded database this process is the only
 * one and its memory counts; on a shared one nodes take shares of the common counters, and go on alone while these do
 * not answer. Bounds that nobody has set keep each server alive, and need no common count.
 */
@Injectable()
export class Limits implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Limits.name);
  private readonly rates: RateWindows;
  private readonly slots: Slots;
  private readonly holding: SharedHolding | undefined;
  /** Not there: the shared counters answer, as far as is known. */
  private awayUntil: number | undefined;
  private cleaning: NodeJS.Timeout | undefined;

  constructor(
    database: Database,
    private readonly repository: LimitRepository,
    @Inject(limitsConfig.KEY) private readonly config: Pick<LimitsConfig, 'settings' | 'isSet'>,
    private readonly metrics: Metrics,
  ) {
    const onAway = (error: unknown) => this.tellAway(error);
    const now = () => this.now();
    if (database.exclusive || !config.isSet) {
      this.rates = new RateWindows(MINUTE_MS, now);
      this.slots = new Slots(now);
      return;
    }
    const holding = new SharedHolding(repository, randomUUID(), now, onAway);
    const claim = (asked: SlotClaim) => this.reach(() => holding.claim(asked));
    this.holding = holding;
    this.slots = new Slots(now, { claim, keep: holding.keep }, onAway);
    this.rates = new RateWindows(
      MINUTE_MS,
      now,
      { take: (ask) => this.reach(() => repository.take(ask)) },
      onAway,
    );
    holding.serve(this.slots);
  }

  onApplicationBootstrap(): void {
    this.cleaning = setInterval(() => void this.clean(), CLEAN_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.cleaning);
    await this.holding?.leave();
  }

  /** Takes from each of somebody's limits, or from none. @returns what each answered; the last may have refused. */
  private async take(who: Limited, measure: Measure, amount: number): Promise<LimitAnswer[]> {
    const answers: LimitAnswer[] = [];
    for (const { party, scope, limit } of scopesOf(this.config.settings, measure, who)) {
      const asked = this.rates.take(scope, limit, amount);
      // Most know at once; a promise for nothing would cost every request.
      const taken = asked instanceof Promise ? await asked : asked;
      const { isAllowed, left, resetsInMs } = taken;
      if (!isAllowed) for (const before of answers) this.rates.giveBack(before.scope, amount);
      answers.push({ party, scope, limit, isAllowed, left, resetsInMs });
      if (isAllowed) continue;
      this.metrics.limitRefusalsTotal.inc({ limit: measure, party });
      break;
    }
    return answers;
  }

  /** Counts one call or message of so many bytes. @throws what `takeRequest` and `takeBytes` throw. */
  async admit(who: Limited, bytes: number): Promise<void> {
    await this.takeRequest(who);
    await this.takeBytes(who, bytes);
  }

  /**
   * @param tell what is left, also when that is nothing.
   * @throws AppError `too_many_requests`
   */
  async takeRequest(who: Limited, tell?: (answers: readonly LimitAnswer[]) => void): Promise<void> {
    const answers = await this.take(who, 'requests_per_minute', 1);
    tell?.(answers);
    refuse(answers, 'requests');
  }

  /** @throws AppError `too_many_requests`; `payload_too_large` for what no minute could hold. */
  async takeBytes(who: Limited, bytes: number): Promise<void> {
    if (bytes === 0) return;
    const answers = await this.take(who, 'bytes_per_minute', bytes);
    const last = answers.at(-1);
    if (last !== undefined && !last.isAllowed && bytes > last.limit) {
      throw new AppError('payload_too_large', `The ${last.party} may send ${last.limit} bytes a minute.`);
    }
    refuse(answers, 'bytes');
  }

  /**
   * Takes one of somebody's streams.
   * @returns to be called, once, when it has ended.
   * @throws AppError `too_many_requests`
   */
  async openStream(who: Limited): Promise<() => void> {
    const taken: string[] = [];
    const release = () => {
      for (const scope of taken.splice(0)) this.slots.giveBack(scope);
      this.holding?.released();
    };
    for (const { party, scope, limit } of scopesOf(this.config.settings, 'streams', who)) {
      if (await this.slots.take(scope, limit)) taken.push(scope);
      else {
        release();
        this.metrics.limitRefusalsTotal.inc({ limit: 'streams', party });
        const { least, most } = STREAM_RETRY_S;
        throw new AppError('too_many_requests', `The ${party} has ${limit} streams open: close one first.`, {
          retryAfter: least + Math.floor(Math.random() * (most - least + 1)),
        });
      }
    }
    return release;
  }

  /** Asks what all nodes share, but not for long, and not again and again while it is away. */
  private async reach<T>(ask: () => Promise<T>): Promise<T> {
    if (this.awayUntil !== undefined && this.now() < this.awayUntil)
      throw new AppError('unavailable', 'Still away.');
    const answer = await soon(ask());
    this.awayUntil = undefined;
    return answer;
  }

  private tellAway(error: unknown): void {
    const isKnown = this.awayUntil !== undefined;
    if (!isKnown || this.now() >= (this.awayUntil ?? 0)) this.awayUntil = this.now() + AWAY_MS;
    if (isKnown) return;
    this.logger.warn({ err: error }, 'The shared limits cannot be reached: this node counts for itself');
  }

  /** Milliseconds of a clock that never jumps. */
  protected now(): number {
    return performance.now();
  }

  private async clean(): Promise<void> {
    try {
      await this.repository.deleteEnded();
    } catch (error) {
      this.logger.warn({ err: error }, 'Old counters could not be deleted; the next round tries again');
    }
  }
}

function refuse(answers: readonly LimitAnswer[], what: string): void {
  const last = answers.at(-1);
  if (last === undefined || last.isAllowed) return;
  throw new AppError(
    'too_many_requests',
    `The ${last.party} has used up its ${last.limit} ${what} of this minute: wait, then try again.`,
    { retryAfter: Math.max(1, Math.ceil(last.resetsInMs / 1_000)) },
  );
}

async function soon<T>(answer: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new AppError('unavailable', 'The database takes too long.')),
    ANSWER_MS,
  );
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}
