import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { isId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import { Dispatcher } from './dispatcher.service.js';
import { type Decision, DecisionRepository, type StoredDecision } from './queue/decision.repository.js';

/** Lets people decide on tool calls that wait for them. */
@Injectable()
export class DecisionsService {
  constructor(
    private readonly decisions: DecisionRepository,
    private readonly dispatcher: Dispatcher,
  ) {}

  /**
   * Decides on a call of the caller's run, wherever the run waits. The first decision stands, and is bound to the
   * arguments that were shown; said again it is answered like the first.
   * @returns when it is stored. The run goes on when all its calls are decided, or the first of them has expired.
   * @throws AppError `not_found`, also for the run of somebody else; `conflict` after another decision, or when the
   * call does not wait for one; `approval_expired`.
   */
  async decide(owner: Owner, runId: string, toolCallId: string, decision: Decision): Promise<StoredDecision> {
    if (!isId('run', runId)) throw new AppError('not_found', 'There is no such run.');
    // PostgreSQL's text holds no NUL, so no call has one in its id.
    if (toolCallId.includes('\0')) throw new AppError('not_found', 'The run has no such tool call.');
    const stored = await this.decisions.decide(owner, runId, toolCallId, decision);
    this.dispatcher.wake(runId);
    return stored;
  }

  /** Whether a call of the caller's run waits for a decision. */
  isAsked(owner: Owner, runId: string): Promise<boolean> {
    return this.decisions.isAsked(owner, runId);
  }
}
