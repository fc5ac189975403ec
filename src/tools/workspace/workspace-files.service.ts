import { Inject, Injectable } from '@nestjs/common';
import PQueue from 'p-queue';
import { isId } from '../../database/ids.js';
import { ToolError } from '../tool-error.js';
import type { ToolContext } from '../tool.js';
import { encodeText, sha256Of, type TextFile } from './text-file.js';
import { Workspace } from './workspace.js';
import { workspaceConfig, type WorkspaceConfig } from './workspace.config.js';
import { formatWorkspacePath, type WorkspacePath } from './workspace-path.js';
import { WorkspaceRepository } from './workspace.repository.js';
import { WorkspaceUsage } from './workspace-usage.js';

export const MAX_READ_BYTES = 10_000_000;
export const MAX_WRITE_BYTES = 1_000_000;
export const WORKSPACE_LIMITS = { maxFiles: 10_000, maxBytes: 100_000_000 };

type Caller = Pick<ToolContext, 'sessionId' | 'runId' | 'toolCallId' | 'signal'>;

export interface WrittenFile {
  path: string;
  status: 'created' | 'changed' | 'unchanged';
  bytes: number;
}

/** The files of sessions, with what each has read of them and what each run has changed. */
@Injectable()
export class WorkspaceFiles {
  private readonly queues = new Map<string, PQueue>();
  readonly usage = new WorkspaceUsage(WORKSPACE_LIMITS);

  constructor(
    @Inject(workspaceConfig.KEY) private readonly config: WorkspaceConfig,
    private readonly records: WorkspaceRepository,
  ) {}

  /** The workspace that a session works in. */
  async of(sessionId: string): Promise<Workspace> {
    return this.workspace(await this.records.workspaceOf(sessionId));
  }

  /** The workspace of exactly this session. */
  workspace(sessionId: string): Workspace {
    if (!isId('ses', sessionId)) throw new Error('A workspace has the name of a session.');
    return new Workspace(this.config.folder, sessionId);
  }

  /** Reads a file and notes that the session knows it as it is. @throws ToolError */
  async read(caller: Caller, path: WorkspacePath): Promise<TextFile> {
    const workspace = await this.of(caller.sessionId);
    const shown = formatWorkspacePath(path);
    const file = await workspace.read(path, MAX_READ_BYTES, caller.signal);
    if (file === undefined) throw missing(shown);
    await this.records.saveRead({ sessionId: caller.sessionId, path: shown, sha256: file.sha256 });
    return file;
  }

  /**
   * Changes a file into what `make` makes of it, or creates it. A file that is there has to be as the session last
   * read or wrote it; `requireKnown` throws when it is not, and is asked before anything is changed.
   *
   * Its former text is stored before the change, what came of it after it. A process that dies in between leaves the
   * former file or the new one, and a record in which both are named.
   * @throws ToolError, and what `make` throws; nothing is changed then.
   */
  async change(
    caller: Caller,
    path: WorkspacePath,
    make: (current: TextFile | undefined, requireKnown: () => void) => string,
  ): Promise<WrittenFile> {
    const workspace = await this.of(caller.sessionId);
    return this.inTurn(workspace, async () => {
      caller.signal.throwIfAborted();
      const shown = formatWorkspacePath(path);
      const current = await workspace.read(path, MAX_WRITE_BYTES, caller.signal);
      const read = current && (await this.records.findRead(caller.sessionId, shown));
      const requireKnown = (): void => {
        if (current !== undefined && read !== current.sha256) throw notKnown(shown, read !== undefined);
      };
      const text = make(current, requireKnown);
      const content = encodeText(text, shown, MAX_WRITE_BYTES);
      const seen = { sessionId: caller.sessionId, path: shown, sha256: sha256Of(text) };
      if (current?.sha256 === seen.sha256) {
        // Perhaps written by this very call, before the process that made it died.
        await this.records.finishChange(caller.runId, seen);
        return { path: shown, status: 'unchanged', bytes: content.length };
      }
      requireKnown();
      const growth = {
        files: current === undefined ? 1 : 0,
        bytes: content.length - (current?.bytes ?? 0),
      };
      await this.usage.check(workspace, growth, caller.signal);
      await this.records.beginChange({
        runId: caller.runId,
        toolCallId: caller.toolCallId,
        workspaceId: workspace.id,
        path: shown,
        current: current ?? null,
        next: seen.sha256,
      });
      await workspace.write(path, content, current?.sha256 ?? null, caller.signal);
      this.usage.note(workspace, growth);
      await this.records.finishChange(caller.runId, seen);
      const status = current === undefined ? 'created' : 'changed';
      return { path: shown, status, bytes: content.length };
    });
  }

  /** What changes one workspace is done one after the other, as far as this process does it. */
  async inTurn<T>(workspace: Workspace, work: () => Promise<T>): Promise<T> {
    const queue = this.queues.get(workspace.id) ?? new PQueue({ concurrency: 1 });
    this.queues.set(workspace.id, queue);
    try {
      return await queue.add(work);
    } finally {
      if (queue.size === 0 && queue.pending === 0) this.queues.delete(workspace.id);
    }
  }
}

export function missing(shown: string): ToolError {
  return new ToolError(`There is no file ${JSON.stringify(shown)} in the workspace.`);
}

function notKnown(shown: string, wasRead: boolean): ToolError {
  const what = JSON.stringify(shown);
  return new ToolError(
    wasRead
      ? `${what} has changed since it was read: read it again with read_file first.`
      : `${what} exists: read it with read_file first.`,
  );
}
