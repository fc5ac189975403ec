import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export { PostgresServer } from '../../../scripts/postgres/postgres-server.mjs';
export { RedisServer } from '../../../scripts/redis/redis-server.mjs';

/** A disk of a few megabytes in memory, which can be full. Mounting one takes root. */
export class SmallDisk {
  private constructor(private readonly root: string) {}

  static readonly isPossible = process.getuid?.() === 0 && process.platform === 'linux';

  /** @throws when nothing can be mounted, which CI counts as a failure. */
  static make(megabytes: number): SmallDisk {
    const root = mkdtempSync(join(tmpdir(), 'agentline-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', root]);
    const disk = new SmallDisk(root);
    LIVE.add(disk);
    mkdirSync(disk.folder);
    return disk;
  }

  /** An empty folder on the disk. */
  get folder(): string {
    return join(this.root, 'data');
  }

  /** Takes all that is left of its space, whoever else writes to it meanwhile. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.root);
    const file = openSync(join(this.root, `ballast-${Date.now()}`), 'w');
    try {
      for (let block = 0; block <= bavail; block += 1) writeSync(file, Buffer.alloc(bsize, 1));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Gives back all that `fill` took. */
  free(): void {
    execFileSync('sh', ['-c', 'rm -f "$1"/ballast-*', 'free', this.root]);
  }

  remove(): void {
    LIVE.delete(this);
    execFileSync('umount', ['--lazy', this.root]);
    rmSync(this.root, { recursive: true });
  }
}

const LIVE = new Set<SmallDisk>();
process.on('exit', () => {
  for (const disk of LIVE) disk.remove();
});
