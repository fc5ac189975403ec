import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EnvironmentError } from '../errors/environment.js';

/**
 * Makes the folder DATA_DIR with those above it, for the owner alone.
 * @throws EnvironmentError when there is something else, or nothing can be made there.
 */
export function makeDataFolder(folder: string): void {
  try {
    make(resolve(folder));
  } catch (cause) {
    throw new EnvironmentError(
      `DATA_DIR is ${JSON.stringify(folder)}, but takes a folder that exists or can be made.`,
      { cause },
    );
  }
}

/** Step by step: Node's own recursive way does not come back from file systems in which nothing can be made. */
function make(folder: string): void {
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) throw new Error(`${folder} is not a folder.`);
    return;
  }
  make(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}
