import { isOutOfReach, type OpenFolder } from './open-folder.js';
import { isWorkspaceName, MAX_DEPTH, TEMPORARY, type WorkspacePath } from './workspace-path.js';
import type { TextFile } from './text-file.js';
import type { WorkTime } from './work-time.js';

export interface WalkedEntry {
  path: WorkspacePath;
  kind: 'file' | 'folder';
  bytes: number;
  /** Its text, before the walk goes on. */
  read(maxBytes: number, signal: AbortSignal): Promise<TextFile | undefined>;
}

export interface WalkOptions {
  recursive: boolean;
  /** Also names that begin with a dot. */
  hidden: boolean;
  /** Names that are looked at, over all folders. */
  maxNames: number;
}

/** What came of a walk; `isWhole` is false when it ended at its time or number of names. */
export interface WalkReport {
  isWhole: boolean;
}

/**
 * The plain files and folders below an open folder, folder by folder, sorted by name. Links, devices and what no path
 * can name are left out. Names of files that are being written are handed to `onTemporary`.
 */
export class Walk {
  readonly report: WalkReport = { isWhole: true };
  private names = 0;

  constructor(
    private readonly options: WalkOptions,
    private readonly time: WorkTime,
    private readonly onTemporary?: (folder: OpenFolder, name: string) => Promise<void>,
  ) {}

  async *below(folder: OpenFolder, path: WorkspacePath): AsyncGenerator<WalkedEntry> {
    for (const name of await this.namesOf(folder)) {
      await this.time.pause();
      if (this.time.isUp) this.report.isWhole = false;
      if (!this.report.isWhole) return;
      const stats = await folder.look(name);
      const entry = {
        path: [...path, name],
        bytes: stats?.size ?? 0,
        read: (maxBytes: number, signal: AbortSignal) => folder.read(name, maxBytes, signal),
      };
      if (stats?.isFile() && stats.nlink === 1) yield { ...entry, kind: 'file' };
      if (!stats?.isDirectory()) continue;
      yield { ...entry, kind: 'folder', bytes: 0 };
      if (this.options.recursive && entry.path.length < MAX_DEPTH)
        yield* this.inside(folder, name, entry.path);
    }
  }

  private async *inside(folder: OpenFolder, name: string, path: WorkspacePath): AsyncGenerator<WalkedEntry> {
    const inner = await folder.enter(name).catch(passOver);
    if (inner === undefined) return;
    try {
      yield* this.below(inner, path);
    } finally {
      await inner.close();
    }
  }

  private async namesOf(folder: OpenFolder): Promise<string[]> {
    const names: string[] = [];
    for await (const name of folder.names()) {
      this.names += 1;
      if (this.names > this.options.maxNames || this.time.isUp) {
        this.report.isWhole = false;
        break;
      }
      if (name.startsWith(TEMPORARY)) await this.onTemporary?.(folder, name);
      else if ((this.options.hidden || !name.startsWith('.')) && isWorkspaceName(name)) names.push(name);
    }
    return names.toSorted();
  }
}

function passOver(error: unknown): undefined {
  if (!isOutOfReach(error)) throw error;
  return undefined;
}
