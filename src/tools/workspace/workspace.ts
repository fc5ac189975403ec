import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../../errors/app-error.js';
import { ToolError } from '../tool-error.js';
import { codeOf, isMissing, OpenFolder, unsafe } from './open-folder.js';
import { hashOf, type TextFile } from './text-file.js';
import { formatWorkspacePath, TEMPORARY, type WorkspacePath } from './workspace-path.js';

/**
 * The files of one workspace: the folder `id` in `parent`, made with its first file. Whatever a path says, nothing
 * outside of it is read or written.
 *
 * Two processes that change one file at the same moment may overwrite each other: between the last look and the
 * change there is no lock that a file system would keep.
 */
export class Workspace {
  constructor(
    private readonly parent: string,
    readonly id: string,
  ) {}

  /** @returns undefined when there is no such file. @throws ToolError when it is something else, too large or no text. */
  async read(path: WorkspacePath, maxBytes: number, signal: AbortSignal): Promise<TextFile | undefined> {
    return this.inFolder(path, false, (folder, name) => folder.read(name, maxBytes, signal));
  }

  /**
   * Puts a file in place of the one with the hash `expected` (null: of none), whole or not at all: after a crash there
   * is the former one or this one, and on the disk. Folders on the way are made.
   * A signal that is aborted before the change keeps it from happening.
   * @throws ToolError, also when the file is not as expected.
   */
  async write(
    path: WorkspacePath,
    content: Uint8Array,
    expected: string | null,
    signal: AbortSignal,
  ): Promise<void> {
    await this.inFolder(path, true, async (folder, name) => {
      const temporary = `${TEMPORARY}${randomUUID()}`;
      try {
        await fill(folder, temporary, content, await modeOf(folder, name));
        await requireExpected(folder, name, expected, signal);
        signal.throwIfAborted();
        await rename(folder.at(temporary), folder.at(name));
      } catch (error) {
        await unlink(folder.at(temporary)).catch(ignoreMissing);
        throw error;
      }
      await folder.sync();
    });
  }

  /** Removes the file with the hash `expected`, and the folders that are empty then. @throws ToolError */
  async remove(path: WorkspacePath, expected: string, signal: AbortSignal): Promise<void> {
    await this.inFolder(path, false, async (folder, name) => {
      await requireExpected(folder, name, expected, signal);
      await unlink(folder.at(name));
      await folder.sync();
    });
    for (let above = path.slice(0, -1); above.length > 0; above = above.slice(0, -1)) {
      if (!(await this.removeEmpty(above))) return;
    }
  }

  /**
   * Works in the folder of that path (empty: the top), which is closed afterwards.
   * @returns undefined when there is none. @throws ToolError
   */
  async withFolder<T>(
    path: WorkspacePath,
    create: boolean,
    work: (folder: OpenFolder) => Promise<T>,
  ): Promise<T | undefined> {
    if (create) await makeFolder(this.parent);
    let folder = await OpenFolder.top(this.parent, this.id, create);
    try {
      for (const name of path) {
        const next: OpenFolder | undefined = await folder?.enter(name, create);
        await folder?.close();
        folder = next;
      }
      return folder && (await work(folder));
    } finally {
      await folder?.close();
    }
  }

  /**
   * Works in the folder that holds what the path names; `name` is undefined for the workspace itself.
   * @returns undefined when there is no such folder. @throws ToolError
   */
  async withParent<T>(
    path: WorkspacePath,
    work: (folder: OpenFolder, name: string | undefined) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await this.withFolder(path.slice(0, -1), false, (folder) => work(folder, path.at(-1)));
    } catch (error) {
      throw toldError(error, path);
    }
  }

  /** Removes all of it. */
  async clear(): Promise<void> {
    await rm(join(this.parent, this.id), { recursive: true, force: true });
  }

  private async inFolder<T>(
    path: WorkspacePath,
    create: boolean,
    work: (folder: OpenFolder, name: string) => Promise<T>,
  ): Promise<T | undefined> {
    const name = path.at(-1);
    if (name === undefined) throw new ToolError('The path names the workspace itself, not a file in it.');
    try {
      return await this.withFolder(path.slice(0, -1), create, (folder) => work(folder, name));
    } catch (error) {
      throw toldError(error, path);
    }
  }

  /** @returns false when it holds something, or cannot be removed for another reason. */
  private async removeEmpty(path: WorkspacePath): Promise<boolean> {
    try {
      await this.inFolder(path, false, (folder, name) => rmdir(folder.at(name)));
      return true;
    } catch {
      return false;
    }
  }
}

/** Makes a folder with those above it, for the owner alone. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    // Step by step: Node's own recursive way does not come back from file systems in which nothing can be made.
    if (codeOf(error) !== 'ENOENT' || dirname(resolve(folder)) === resolve(folder)) throw error;
    await makeFolder(dirname(resolve(folder)));
    await makeFolder(folder);
  }
}

async function requireExpected(
  folder: OpenFolder,
  name: string,
  expected: string | null,
  signal: AbortSignal,
): Promise<void> {
  const handle = await folder.openFile(name);
  if (handle === undefined && expected === null) return;
  try {
    if (handle !== undefined && (await hashOf(handle, signal)) === expected) return;
  } finally {
    await handle?.close();
  }
  throw new ToolError(
    `"${folder.shownAs(name)}" has changed at this moment: read it again. Nothing was changed.`,
  );
}

/** New files are their owner's alone; others stay as open as they were. */
async function modeOf(folder: OpenFolder, name: string): Promise<number> {
  const stats = await folder.look(name);
  return stats?.isFile() ? stats.mode & 0o777 : 0o600;
}

async function fill(folder: OpenFolder, name: string, content: Uint8Array, mode: number): Promise<void> {
  const handle = await folder.createFile(name);
  try {
    await handle.writeFile(content);
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

/** An error of the file system as the model and its viewers may see it, for the path that was asked for. */
export function toldError(error: unknown, path: WorkspacePath): unknown {
  const shown = JSON.stringify(formatWorkspacePath(path));
  switch (codeOf(error)) {
    case 'ENOENT':
      return new ToolError(`There is no ${shown} in the workspace.`, { cause: error });
    case 'ENOTDIR':
      return new ToolError(`A part of ${shown} is not a folder.`, { cause: error });
    case 'EISDIR':
    case 'ENOTEMPTY':
    case 'EEXIST':
      return new ToolError(`There is a folder or something else at ${shown}.`, { cause: error });
    case 'ELOOP':
    case 'EMLINK':
      return unsafe(formatWorkspacePath(path), 'is a link', error);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ToolError(`The server may not touch ${shown}.`, { cause: error });
    case 'ENAMETOOLONG':
      return new ToolError(`The path ${shown} is too long.`, { cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
      return new AppError('storage_full', 'The disk of the workspaces is full: nothing was changed.', {
        cause: error,
      });
    default:
      return error;
  }
}
