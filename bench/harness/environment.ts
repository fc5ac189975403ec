import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Options } from './options.ts';
import type { Results } from './results.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A result in which nothing has been measured yet. */
export function emptyResults({ seed, repeat, quick }: Pick<Options, 'seed' | 'repeat' | 'quick'>): Results {
  return {
    date: new Date().toISOString(),
    seed,
    options: { repeat, quick },
    machine: {
      cpus: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      kernel: release().split('-')[0] ?? 'unknown',
      node: process.versions.node,
      commit: commit(),
    },
    versions: {},
    titles: {},
    scenarios: [],
    lines: [],
    missing: {},
  };
}

function commit(): string {
  const options = { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' } as const;
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], options).trim();
  } catch {
    // A package without its history.
    return 'unknown';
  }
}

/** Makes `dist/` from what stands in `src/`. */
export function build(): void {
  execFileSync('npm', ['run', '-s', 'build'], { cwd: ROOT, stdio: 'inherit' });
}

/**
 * Closes what is open before the process ends, once; a second signal does not wait. What is left then is ended by
 * the `exit` listeners of the children.
 */
export function endWithSignals(close: () => Promise<unknown>): void {
  let isEnding = false;
  const end = () => {
    if (isEnding) process.exit(130);
    isEnding = true;
    close().then(
      () => process.exit(130),
      () => process.exit(130),
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
}
