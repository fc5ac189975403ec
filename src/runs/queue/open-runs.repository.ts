import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database, type Queryable } from '../../database/database.js';
import { AppError } from '../../errors/app-error.js';
import { LimitRepository } from '../../limits/limit.repository.js';
import { type Limited, type LimitScope, scopesOf } from '../../limits/limit-scopes.js';
import { Metrics } from '../../telemetry/metrics.js';
import { limitsConfig, type LimitsConfig } from '../../limits/limits.config.js';

/** So near the limit, starts of the same party go one after the other: more than can be under way at once. */
const NEAR = { least: 50, part: 10 };
const RETRY_AFTER_S = 5;
/** Where nobody has set a limit: what part of the rest is started without counting, and for how many milliseconds. */
const SPARE = { part: 20, ms: 1_000, names: 1_000 };

/** How many runs users, their keys and their tenants may have open; those of sub-agents do not count. */
@Injectable()
export class OpenRuns {
  private readonly spare = new Map<string, { left: number; until: number }>();

  constructor(
    private readonly database: Database,
    private readonly counters: LimitRepository,
    @Inject(limitsConfig.KEY) private readonly config: Pick<LimitsConfig, 'settings' | 'isSet'>,
    private readonly metrics: Metrics,
  ) {}

  /**
   * Whether one more may be added by this transaction.
   * @throws AppError `too_many_requests`
   */
  async requireRoom(trx: Queryable, who: Limited): Promise<void> {
    for (const limit of scopesOf(this.config.settings, 'runs', who))
      await this.requireRoomOf(limit, trx, who);
  }

  private async requireRoomOf(
    { party, scope, limit }: LimitScope,
    trx: Queryable,
    who: Limited,
  ): Promise<void> {
    if (this.hasSpare(scope)) return;
    let open = await this.count(party, trx, who);
    const isNear = open >= limit - Math.max(NEAR.least, limit / NEAR.part);
    if (isNear && !this.database.exclusive) {
      await this.counters.lock(trx, scope);
      open = await this.count(party, trx, who);
    }
    if (!isNear) this.saveSpare(scope, limit - open);
    if (open < limit) return;
    this.metrics.limitRefusalsTotal.inc({ limit: 'runs', party });
    throw new AppError(
      'too_many_requests',
      `The ${party} has ${limit} open runs: wait for one, or cancel one.`,
      {
        retryAfter: RETRY_AFTER_S,
      },
    );
  }

  /** A bound that only keeps the server alive need not be exact. */
  private hasSpare(scope: string): boolean {
    const spare = this.spare.get(scope);
    if (spare === undefined || spare.left <= 0 || spare.until < this.now()) return false;
    spare.left -= 1;
    return true;
  }

  private saveSpare(scope: string, left: number): void {
    if (this.config.isSet) return;
    if (this.spare.size >= SPARE.names) this.spare.clear();
    this.spare.set(scope, { left: Math.floor(left / SPARE.part), until: this.now() + SPARE.ms });
  }

  /** Milliseconds of a clock that never jumps. */
  protected now(): number {
    return performance.now();
  }

  /** By the index `runs_open_owner`, whose conditions are said here in the same words. */
  private async count(party: LimitScope['party'], trx: Queryable, who: Limited): Promise<number> {
    let query = this.database
      .of(who, trx)
      .selectFrom('runs')
      .select((eb) => eb.fn.countAll<number>().as('open'))
      .where(sql<boolean>`status in ('queued', 'running', 'waiting')`)
      .where('parent_run_id', 'is', null);
    if (party !== 'tenant') query = query.where('user_id', '=', who.userId);
    if (party === 'key') query = query.where('key_id', '=', who.keyId ?? '');
    return (await query.executeTakeFirstOrThrow()).open;
  }
}
