import { constants, existsSync, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, opendir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ToolError } from '../tool-error.js';
import { readText, type TextFile } from './text-file.js';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants;

/**
 * Where the system shows descriptors as paths (Linux), a name is looked up in the open folder itself, like with
 * `openat`: whoever swaps a folder on the way for a link changes nothing. Elsewhere the same steps use paths: links
 * are refused all the same, but a program that swaps folders in the very moment may win. Only programs that run on
 * the server can try.
 */
const BY_DESCRIPTOR = existsSync('/proc/self/fd');

/**
 * An open folder of a workspace. It is entered name by name and never through a link, so what is reached from it is
 * inside. Names are those of `parseWorkspacePath`. Whoever opens it closes it, after all that uses it.
 */
export class OpenFolder {
  private constructor(
    private readonly handle: FileHandle,
    /** Its real path. */
    private readonly place: string,
    /** The file system of the workspace: another one that is mounted in it is not a part of it. */
    private readonly device: number,
    /** As the workspace knows it, for messages. */
    private readonly shown: string,
  ) {}

  /**
   * Opens `parent/name` as the top of a workspace, made before when `create` is set. `parent` may lead through links:
   * it is the operator's choice.
   * @returns undefined when it is not there.
   */
  static async top(parent: string, name: string, create: boolean): Promise<OpenFolder | undefined> {
    const real = await realpath(parent).catch(undefinedIfMissing);
    if (real === undefined) return undefined;
    const handle = await open(real, O_RDONLY | O_DIRECTORY);
    const above = new OpenFolder(handle, await whereIs(handle, real), (await handle.stat()).dev, '');
    try {
      return await above.enter(name, create);
    } finally {
      await above.close();
    }
  }

  /**
   * The folder of that name, made before when `create` is set.
   * @returns undefined when it is not there. @throws UnsafeFileError for a link and whatever is no folder.
   */
  async enter(name: string, create = false): Promise<OpenFolder | undefined> {
    let seen = await this.look(name);
    if (seen === undefined) {
      if (!create) return undefined;
      await this.make(name);
      seen = await this.look(name);
    }
    const shown = this.shownAs(name);
    if (seen?.isSymbolicLink()) throw unsafe(shown, 'is a link');
    if (!seen?.isDirectory()) throw unsafe(shown, 'is not a folder');
    const handle = await open(this.at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      const place = join(this.place, name);
      await this.check(handle, seen, place, shown);
      const isTop = this.shown === '';
      return new OpenFolder(handle, place, isTop ? seen.dev : this.device, isTop ? '.' : shown);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Opens a plain file of that name for reading.
   * @returns undefined when it is not there. @throws UnsafeFileError for links of both kinds, devices, pipes, sockets.
   */
  async openFile(name: string): Promise<FileHandle | undefined> {
    const seen = await this.look(name);
    if (seen === undefined) return undefined;
    const shown = this.shownAs(name);
    requirePlain(seen, shown);
    const handle = await open(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(undefinedIfMissing);
    if (handle === undefined) return undefined;
    try {
      requirePlain(await handle.stat(), shown);
      await this.check(handle, seen, join(this.place, name), shown);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The text of a plain file, as `openFile` and `readText` have it. */
  async read(name: string, maxBytes: number, signal: AbortSignal): Promise<TextFile | undefined> {
    const handle = await this.openFile(name);
    if (handle === undefined) return undefined;
    try {
      return await readText(handle, this.shownAs(name), maxBytes, signal);
    } finally {
      await handle.close();
    }
  }

  /** A new file for writing, readable by its owner alone. @throws when there is anything of that name. */
  createFile(name: string): Promise<FileHandle> {
    return open(this.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  /** What is there, without following it; undefined when nothing is. */
  look(name: string): Promise<Stats | undefined> {
    return lstat(this.at(name)).catch(undefinedIfMissing);
  }

  /** Names in no order, as they come. */
  async *names(): AsyncGenerator<string> {
    for await (const entry of await opendir(this.at('.'), { bufferSize: 256 })) yield entry.name;
  }

  /** A path by which other calls of the file system reach the name, good while this is open. */
  at(name: string): string {
    return join(BY_DESCRIPTOR ? `/proc/self/fd/${this.handle.fd}` : this.place, name);
  }

  shownAs(name: string): string {
    return this.shown === '.' || this.shown === '' ? name : `${this.shown}/${name}`;
  }

  /** What was made, renamed or removed in it stays so when the machine loses power. */
  async sync(): Promise<void> {
    try {
      await this.handle.sync();
    } catch (error) {
      // Windows and some network file systems cannot.
      if (!['EPERM', 'EINVAL', 'EISDIR', 'EBADF', 'ENOTSUP'].includes(codeOf(error) ?? '')) throw error;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  private async make(name: string): Promise<void> {
    try {
      await mkdir(this.at(name), { mode: 0o700 });
      await this.sync();
    } catch (error) {
      // Another call was faster; what it made is looked at like anything else.
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }

  /** What was opened is what was seen, on this file system, and at the place where it should be. */
  private async check(handle: FileHandle, seen: Stats, place: string, shown: string): Promise<void> {
    const opened = await handle.stat();
    if (opened.ino !== seen.ino || opened.dev !== seen.dev)
      throw unsafe(shown, 'was exchanged while it was opened');
    if (this.shown !== '' && opened.dev !== this.device) throw unsafe(shown, 'is on another file system');
    if ((await whereIs(handle, place)) !== place) throw unsafe(shown, 'is not where it seems to be');
  }
}

/** The real path of what is open; upper and lower case as on the disk. */
function whereIs(handle: FileHandle, path: string): Promise<string> {
  return BY_DESCRIPTOR ? readlink(`/proc/self/fd/${handle.fd}`) : realpath(path);
}

function requirePlain(stats: Stats, shown: string): void {
  if (stats.isSymbolicLink()) throw unsafe(shown, 'is a link');
  if (stats.isDirectory()) throw unsafe(shown, 'is a folder');
  if (!stats.isFile()) throw unsafe(shown, 'is not a plain file');
  if (stats.nlink > 1) throw unsafe(shown, 'has a second name, perhaps outside (a hard link)');
}

function undefinedIfMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
  return undefined;
}

/** What stands behind a name is not what a workspace holds: a link, a device, a file with several names. */
export class UnsafeFileError extends ToolError {}

export function unsafe(shown: string, why: string, cause?: unknown): UnsafeFileError {
  return new UnsafeFileError(
    `${JSON.stringify(shown)} ${why}. Workspaces hold plain files and folders only.`,
    { cause },
  );
}

/** The code of an error of the operating system, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** Whether one name of a listing is to be passed over: it has gone, was exchanged, or is not for the server to read. */
export function isOutOfReach(error: unknown): boolean {
  const codes = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM'];
  return error instanceof UnsafeFileError || codes.includes(codeOf(error) ?? '');
}
