import { access, constants } from 'node:fs/promises';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { Database } from '../database/database.js';
import { AppError } from '../errors/app-error.js';
import { EnvironmentError } from '../errors/environment.js';
import { ToolError } from './tool-error.js';
import { makeFolder, type Workspace } from './workspace/workspace.js';
import { workspaceConfig, type WorkspaceConfig } from './workspace/workspace.config.js';
import { MAX_READ_BYTES, WorkspaceFiles } from './workspace/workspace-files.service.js';
import { parseWorkspacePath } from './workspace/workspace-path.js';
import { type FileChange, WorkspaceRepository } from './workspace/workspace.repository.js';

/** A run, as far as workspaces go. */
export interface ChangingRun {
  id: string;
  sessionId: string;
}

/** A file before and after a run; null: there was none. */
export interface FileDifference {
  path: string;
  before: string | null;
  after: string | null;
  /** Somebody else has changed it since. Where the run's text is not known any more, `after` is what is there now. */
  isChangedSince: boolean;
}

export interface RevertedFile {
  path: string;
  /** `restored`: its former text is back. `removed`: it did not exist before the run. */
  status: 'restored' | 'removed';
}

/** All that the runs of one piece of work did to a file. */
interface WorkOnFile {
  path: string;
  before: string | null;
  /** Hashes it may have if nobody else has changed it since; the likeliest first. */
  left: (string | null)[];
  isReverted: boolean;
}

const SWEEP_MS = 600_000;
const SWEPT_AT_ONCE = 100;
const SHOWN_CONFLICTS = 20;

/** What runs have done to workspaces, and the end of workspaces. A run's changes include those of its sub-agents. */
@Injectable()
export class Workspaces implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Workspaces');
  private readonly never = new AbortController().signal;
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> = Promise.resolve();

  constructor(
    @Inject(workspaceConfig.KEY) private readonly config: WorkspaceConfig,
    private readonly files: WorkspaceFiles,
    private readonly records: WorkspaceRepository,
    private readonly database: Database,
  ) {}

  async onModuleInit(): Promise<void> {
    if (!this.config.isChosen) {
      if (!this.database.exclusive)
        this.logger.warn(
          'WORKSPACE_DIR is not set: a run that moves to another server misses its files there',
        );
      return;
    }
    try {
      await makeFolder(this.config.folder);
      await access(this.config.folder, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (cause) {
      const shown = JSON.stringify(this.config.folder);
      throw new EnvironmentError(`WORKSPACE_DIR is ${shown}, but takes a folder to write to.`, { cause });
    }
  }

  onApplicationBootstrap(): void {
    this.beginSweep();
    this.timer = setInterval(() => this.beginSweep(), SWEEP_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  /** The session whose workspace a session works in: that of a sub-agent is the one of the run that started it. */
  workspaceOf(sessionId: string): Promise<string> {
    return this.records.workspaceOf(sessionId);
  }

  /** Files that differ by what the run did, in the order of their first change. */
  async *differences(run: ChangingRun): AsyncGenerator<FileDifference> {
    const workspace = await this.files.of(run.sessionId);
    for (const work of byFile(await this.records.listChanges(await this.records.runsUnder(run.id)))) {
      const { path, left } = work;
      const current = await this.current(workspace, path);
      const isChangedSince = current === undefined || !left.includes(current?.sha256 ?? null);
      const before = await this.former(workspace, path, work.before);
      const after = isChangedSince
        ? await this.lastKnown(workspace, work, current?.text ?? null)
        : (current?.text ?? null);
      if (before !== after) yield { path, before: before ?? null, after, isChangedSince };
    }
  }

  /**
   * Puts every file back to what it was before the run. All files are looked at first: when one is not as the run left
   * it, none is touched. Said again after a crash it does the rest; said again after that it changes nothing.
   * @param mayBegin throws when it may not; asked when nothing else of this process changes the workspace.
   * @throws AppError `conflict`, naming the files.
   */
  async revert(run: ChangingRun, mayBegin: () => Promise<void>): Promise<RevertedFile[]> {
    const workspace = await this.files.of(run.sessionId);
    return this.files.inTurn(workspace, async () => {
      await mayBegin();
      const runIds = await this.records.runsUnder(run.id);
      const works = byFile(await this.records.listChanges(runIds));
      const steps: (() => Promise<void>)[] = [];
      const conflicts: string[] = [];
      for (const work of works.filter(({ isReverted }) => !isReverted)) {
        const current = await this.current(workspace, work.path);
        const hash = current === undefined ? undefined : (current?.sha256 ?? null);
        if (hash === work.before) continue;
        if (hash === undefined || !work.left.includes(hash)) conflicts.push(work.path);
        else steps.push(() => this.putBack(workspace, work, hash));
      }
      if (conflicts.length > 0) throw changedSince(conflicts);
      for (const step of steps) await step();
      await this.records.noteReverted(runIds);
      this.files.usage.forget(workspace.id);
      return works.map(({ path, before }) => ({ path, status: before === null ? 'removed' : 'restored' }));
    });
  }

  /** Deletes the workspace of a session that is gone. Said again after a crash it does the rest. */
  async remove(sessionId: string): Promise<void> {
    const workspace = this.files.workspace(sessionId);
    await this.files.inTurn(workspace, async () => {
      // What is recorded goes last: it is how the sweep finds what a dead process has left.
      await workspace.clear();
      await this.records.deleteAll(sessionId);
      this.files.usage.forget(workspace.id);
    });
  }

  /** The same for several sessions. Never throws: what cannot be deleted now is found by the sweep. */
  async removeAll(sessionIds: readonly string[]): Promise<void> {
    for (const id of sessionIds) {
      await this.remove(id).catch((err: unknown) =>
        this.logger.warn({ err, session_id: id }, 'The workspace of a deleted session is still there'),
      );
    }
  }

  /** Removes what sessions have left that are gone. */
  async sweep(): Promise<void> {
    await this.removeAll(await this.records.listLeft(SWEPT_AT_ONCE));
  }

  private beginSweep(): void {
    this.sweeping = this.sweep().catch((err: unknown) =>
      this.logger.warn({ err }, 'Workspaces of deleted sessions are still there'),
    );
  }

  /** @returns null when there is no file, undefined when there is something that no run could have left. */
  private async current(
    workspace: Workspace,
    path: string,
  ): Promise<{ text: string; sha256: string } | null | undefined> {
    try {
      return (await workspace.read(parseWorkspacePath(path), MAX_READ_BYTES, this.never)) ?? null;
    } catch (error) {
      if (error instanceof ToolError) return undefined;
      throw error;
    }
  }

  private async former(
    workspace: Workspace,
    path: string,
    sha256: string | null,
  ): Promise<string | null | undefined> {
    return sha256 === null ? null : this.records.findFormerText(workspace.id, path, sha256);
  }

  /** What the run left is what a later run found. */
  private async lastKnown(
    workspace: Workspace,
    { path, left }: WorkOnFile,
    otherwise: string | null,
  ): Promise<string | null> {
    for (const hash of left) {
      const text = await this.former(workspace, path, hash);
      if (text !== undefined) return text;
    }
    return otherwise;
  }

  private async putBack(workspace: Workspace, work: WorkOnFile, current: string | null): Promise<void> {
    const path = parseWorkspacePath(work.path);
    const former = await this.former(workspace, work.path, work.before);
    if (former === undefined) throw new Error('A former text is missing.');
    try {
      if (former !== null) await workspace.write(path, Buffer.from(former), current, this.never);
      else if (current !== null) await workspace.remove(path, current, this.never);
    } catch (error) {
      throw error instanceof ToolError ? changedSince([work.path], error) : error;
    }
  }
}

/** Several runs may have worked on one file: what was there before the first of them counts. */
function byFile(changes: readonly FileChange[]): WorkOnFile[] {
  return [...Map.groupBy(changes, ({ path }) => path)].map(([path, rows]) => ({
    path,
    before: rows[0]?.before ?? null,
    left: rows.toReversed().flatMap(({ after, next }) => (next === null ? [after] : [after, next])),
    isReverted: rows.every(({ isReverted }) => isReverted),
  }));
}

function changedSince(paths: readonly string[], cause?: unknown): AppError {
  const shown = paths.slice(0, SHOWN_CONFLICTS).map((path) => JSON.stringify(path));
  const more = paths.length - shown.length;
  const list = `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return new AppError('conflict', `Changed since the run: ${list}. Nothing of them was put back.`, {
    cause,
    errors: paths.slice(0, SHOWN_CONFLICTS).map((path) => ({ path, message: 'Changed since the run.' })),
  });
}
