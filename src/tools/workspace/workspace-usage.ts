import { unlink } from 'node:fs/promises';
import { ToolError } from '../tool-error.js';
import { isMissing, type OpenFolder } from './open-folder.js';
import { Walk } from './walk.js';
import type { Workspace } from './workspace.js';
import { WorkTime } from './work-time.js';

export interface WorkspaceLimits {
  /** Files and folders of one workspace. */
  maxFiles: number;
  /** Bytes of all its files. */
  maxBytes: number;
}

interface Usage {
  files: number;
  bytes: number;
  countedAt: number;
}

/** Counted again after this many milliseconds: other processes write too. */
const KEPT_MS = 30_000;
const KEPT = 1000;
const COUNT_MS = 20_000;
/** A file that is being written for longer than this belongs to a process that died. */
const LEFT_BEHIND_MS = 600_000;

/** How full workspaces are. Files are counted on the disk, so whoever put them there. */
export class WorkspaceUsage {
  private readonly usages = new Map<string, Usage>();

  constructor(private readonly limits: WorkspaceLimits) {}

  /**
   * Whether a file may grow by so many bytes, and a new one with its folders come to be.
   * @throws ToolError when the workspace would be fuller than it may be.
   */
  async check(
    workspace: Workspace,
    change: { files: number; bytes: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { maxFiles, maxBytes } = this.limits;
    const usage = await this.of(workspace, signal);
    if (change.files > 0 && usage.files + change.files > maxFiles)
      throw new ToolError(`The workspace holds ${maxFiles} files and folders at most.`);
    if (change.bytes > 0 && usage.bytes + change.bytes > maxBytes)
      throw new ToolError(`The workspace holds ${maxBytes} bytes at most; ${usage.bytes} are in use.`);
  }

  note(workspace: Workspace, change: { files: number; bytes: number }): void {
    const usage = this.usages.get(workspace.id);
    if (usage === undefined) return;
    usage.files += change.files;
    usage.bytes += change.bytes;
  }

  forget(id: string): void {
    this.usages.delete(id);
  }

  private async of(workspace: Workspace, signal: AbortSignal): Promise<Usage> {
    const known = this.usages.get(workspace.id);
    if (known !== undefined && performance.now() - known.countedAt < KEPT_MS) return known;
    const usage = await this.count(workspace, signal);
    this.usages.delete(workspace.id);
    this.usages.set(workspace.id, usage);
    for (const id of this.usages.keys()) {
      if (this.usages.size <= KEPT) break;
      this.usages.delete(id);
    }
    return usage;
  }

  private async count(workspace: Workspace, signal: AbortSignal): Promise<Usage> {
    const usage = { files: 0, bytes: 0, countedAt: performance.now() };
    const names = { recursive: true, hidden: true, maxNames: 2 * this.limits.maxFiles };
    const walk = new Walk(names, new WorkTime(signal, COUNT_MS), removeLeftBehind);
    await workspace.withFolder([], false, async (top) => {
      for await (const { bytes } of walk.below(top, [])) {
        usage.files += 1;
        usage.bytes += bytes;
      }
    });
    if (!walk.report.isWhole) usage.files = Math.max(usage.files, this.limits.maxFiles);
    return usage;
  }
}

async function removeLeftBehind(folder: OpenFolder, name: string): Promise<void> {
  const stats = await folder.look(name);
  if (stats === undefined || Date.now() - stats.mtimeMs < LEFT_BEHIND_MS) return;
  await unlink(folder.at(name)).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}
