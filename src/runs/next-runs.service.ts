import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Database, type OfTenant } from '../database/database.js';
import { SessionRepository } from '../sessions/session.repository.js';
import type { Run } from './run.js';
import { RunRepository } from './run.repository.js';
import { SessionBell } from './queue/session-bell.js';

/**
 * Where other processes make runs too, who waits looks into the database this often, in milliseconds: rarely while
 * others tell of theirs.
 */
const LOOK_AGAIN_MS = { told: 5_000, untold: 1_000 };

/** The wait for a session's next run, wherever it is made. */
@Injectable()
export class NextRuns implements OnModuleInit {
  private readonly bell = new SessionBell();

  constructor(
    private readonly database: Database,
    private readonly runs: RunRepository,
    private readonly sessions: SessionRepository,
  ) {}

  onModuleInit(): void {
    this.database.notices.listen('session', (ids) => {
      if (ids === 'unknown') this.bell.ringAll();
      else for (const id of ids) this.bell.ring(id);
    });
  }

  /** The session has a new run, or is gone: all who wait look. */
  tell(sessionId: string): void {
    this.bell.ring(sessionId);
    this.database.notices.send('session', sessionId);
  }

  /**
   * The session's next run after a number, when there is one or as soon as there is; undefined once aborted or
   * when the session is deleted.
   */
  async wait(
    owner: OfTenant,
    sessionId: string,
    after: number,
    signal: AbortSignal,
  ): Promise<Run | undefined> {
    while (!signal.aborted) {
      const listening = this.bell.listen(sessionId, signal, this.lookAgainMs);
      try {
        const run = await this.runs.findNext(owner, sessionId, after);
        if (run !== undefined) return run;
        if (!(await this.sessions.has(owner, sessionId))) return undefined;
        await listening.rung;
      } finally {
        listening.stop();
      }
    }
    return undefined;
  }

  private get lookAgainMs(): number | undefined {
    const { exclusive, notices } = this.database;
    if (exclusive) return undefined;
    return notices.isLive ? LOOK_AGAIN_MS.told : LOOK_AGAIN_MS.untold;
  }
}
