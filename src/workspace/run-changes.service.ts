import { Injectable } from '@nestjs/common';
import { AgentService } from '../agent/agent.service.js';
import type { Owner } from '../auth/principal.js';
import { AppError } from '../errors/app-error.js';
import { requireOwn } from '../sessions/session.js';
import { RunRepository } from '../runs/run.repository.js';
import { type FileDifference, Workspaces } from '../tools/workspaces.service.js';
import { unifiedDiff } from './unified-diff.js';
import type { RunDiff, RunRevert } from './views.js';

/** Characters of all diffs of one answer. */
const MAX_LENGTH = 4_000_000;

/** What runs changed in their workspaces, for their owners. */
@Injectable()
export class RunChanges {
  constructor(
    private readonly agent: AgentService,
    private readonly runs: RunRepository,
    private readonly workspaces: Workspaces,
  ) {}

  /** @throws AppError `not_found`, also for the run of somebody else. */
  async diff(owner: Owner, runId: string): Promise<RunDiff> {
    const run = await this.agent.see(owner, runId);
    const files: RunDiff['files'] = [];
    let length = 0;
    for await (const { path, before, after, isChangedSince } of this.workspaces.differences(run)) {
      length += Math.max(before?.length ?? 0, after?.length ?? 0);
      const diff = length > MAX_LENGTH ? null : await unifiedDiff(path, before, after);
      files.push({ path, status: statusOf({ before, after }), diff, changed_since: isChangedSince });
    }
    return { run_id: run.id, files };
  }

  /** @throws AppError `not_found`; `conflict`; `session_busy` while a run may change the workspace. */
  async revert(owner: Owner, runId: string): Promise<RunRevert> {
    const run = requireOwn(owner, await this.agent.see(owner, runId));
    const sessionId = await this.workspaces.workspaceOf(run.sessionId);
    const mayBegin = async (): Promise<void> => {
      if ((await this.runs.listOpen(run, sessionId)).length === 0) return;
      throw new AppError(
        'session_busy',
        'The session has an open run, which may change its files: wait for it or cancel it.',
      );
    };
    return { run_id: run.id, files: await this.workspaces.revert(run, mayBegin) };
  }
}

function statusOf({
  before,
  after,
}: Pick<FileDifference, 'before' | 'after'>): RunDiff['files'][number]['status'] {
  if (before === null) return 'added';
  return after === null ? 'deleted' : 'modified';
}
