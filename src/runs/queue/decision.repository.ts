import { Injectable } from '@nestjs/common';
import { type Selectable, sql } from 'kysely';
import type { Owner } from '../../auth/principal.js';
import { Database, type Tables } from '../../database/database.js';
import type { ToolCallsTable } from '../../database/schema.js';
import { isRunShownTo } from '../../database/shown-to.js';
import { AppError } from '../../errors/app-error.js';
import { requireOwn } from '../../sessions/session.js';

/** What a person says of a tool call. */
export interface Decision {
  decision: 'approve' | 'deny';
  reason: string | null;
}

export interface StoredDecision extends Decision {
  /** Name of the tool that was to be called. */
  tool: string;
  /** Milliseconds since 1970 by the database's clock. */
  decidedAt: number;
}

type Row = Selectable<ToolCallsTable> & { is_late: boolean | number | null };

/** Decisions on tool calls. Each is one transaction that holds the run's row, so of several the first one stands. */
@Injectable()
export class DecisionRepository {
  constructor(private readonly database: Database) {}

  /**
   * Stores the first decision on a call; the same one said again is answered like the first. When nothing of the run
   * is left undecided, the run may go on.
   * @throws AppError `not_found`; `forbidden` for who only watches; `conflict` when it was decided otherwise, or there is nothing to decide;
   * `approval_expired`.
   */
  async decide(owner: Owner, runId: string, toolCallId: string, said: Decision): Promise<StoredDecision> {
    return this.database.transaction(async (on) => {
      const trx = this.database.of(owner, on);
      await this.lockRun(trx, owner, runId);
      const row = await this.find(trx, runId, toolCallId);
      if (row.decision !== null) return repeated(row, said);
      refuseUndecidable(row);
      const { decided_at: decidedAt } = await trx
        .updateTable('tool_calls')
        .set({
          decision: said.decision,
          decision_reason: said.reason,
          decided_by: owner.userId,
          decided_at: this.database.now,
        })
        .where('run_id', '=', runId)
        .where('tool_call_id', '=', toolCallId)
        .returning('decided_at')
        .executeTakeFirstOrThrow();
      await this.wakeDecided(trx, runId);
      return { ...said, tool: row.name, decidedAt: decidedAt ?? 0 };
    });
  }

  /** Whether a call of the run waits for a decision. */
  async isAsked(owner: Owner, runId: string): Promise<boolean> {
    const row = await this.database
      .of(owner)
      .selectFrom('tool_calls')
      .select('tool_call_id')
      .where('run_id', '=', runId)
      .where('state', '=', 'waiting')
      .where('decision', 'is', null)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** An update that changes nothing is a lock on both databases. */
  private async lockRun(trx: Tables, owner: Owner, runId: string): Promise<void> {
    const row = await trx
      .updateTable('runs')
      .set({ wake_at: sql<number | null>`wake_at` })
      .where('id', '=', runId)
      .where('user_id', '=', owner.userId)
      .returning('id')
      .executeTakeFirst();
    if (row !== undefined) return;
    const shown = await trx
      .selectFrom('runs')
      .select(['user_id as userId', 'tenant_id as tenantId'])
      .where('id', '=', runId)
      .where(isRunShownTo(owner.userId))
      .executeTakeFirst();
    if (shown !== undefined) requireOwn(owner, shown);
    throw new AppError('not_found', 'There is no such run.');
  }

  private async find(trx: Tables, runId: string, toolCallId: string): Promise<Row> {
    const row = await trx
      .selectFrom('tool_calls')
      .selectAll()
      .select(sql<boolean | number | null>`expires_at <= ${this.database.now}`.as('is_late'))
      .where('run_id', '=', runId)
      .where('tool_call_id', '=', toolCallId)
      .executeTakeFirst();
    if (row === undefined) throw new AppError('not_found', 'The run has no such tool call.');
    return row;
  }

  private async wakeDecided(trx: Tables, runId: string): Promise<void> {
    await trx
      .updateTable('runs')
      .set({ wake_at: 0 })
      .where('id', '=', runId)
      .where('status', '=', 'waiting')
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('tool_calls')
              .select('tool_calls.run_id')
              .where('tool_calls.run_id', '=', runId)
              .where('tool_calls.state', '=', 'waiting')
              .where('tool_calls.decision', 'is', null),
          ),
        ),
      )
      .execute();
  }
}

function repeated(row: Row, said: Decision): StoredDecision {
  if (row.decision !== said.decision) {
    const stands = row.decision === 'approve' ? 'approved' : 'denied';
    throw new AppError('conflict', `The call was ${stands} before: the first decision stands.`);
  }
  const { name: tool, decision_reason: reason, decided_at: decidedAt } = row;
  return { tool, decision: said.decision, reason, decidedAt: decidedAt ?? 0 };
}

function refuseUndecidable(row: Row): void {
  const isOpen = row.state === 'waiting';
  if (row.state === 'expired' || (isOpen && Boolean(row.is_late))) {
    throw new AppError('approval_expired', 'Nobody decided in time: the call was not executed.');
  }
  if (!isOpen) throw new AppError('conflict', 'The call does not wait for a decision.');
}
