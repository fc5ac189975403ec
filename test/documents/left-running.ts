import { readdirSync, readlinkSync } from 'node:fs';

/** Where a copy of the tree was that a test has removed, as Linux names the folder of a process that is still there. */
const REMOVED_COPY = /\/agentline-copy-\w+.* \(deleted\)$/;

/** Ends what a page has started by itself and left behind, which is known by its folder (Linux). */
export function endLeftRunning(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (REMOVED_COPY.test(folderOf(pid))) end(Number(pid));
  }
}

function folderOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return 'gone, or somebody else’s';
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
