import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EnvironmentError } from '../errors/environment.js';
import { makeDataFolder } from '../database/data-folder.js';

const OWNER_ONLY = 0o600;

const schema = z.object({
  session_secret: z.string().min(32),
  jwt_secret: z.string().min(32),
  admin_password: z.string().min(8),
});

export type DevelopmentSecrets = z.output<typeof schema>;

/** Where the generated secrets of a development server are. */
export function developmentFile(folder: string): string {
  return join(folder, 'development.json');
}

/**
 * The secrets of a server that nobody configured: generated at the first call and the same ever after, so
 * that cookies and tokens outlive a restart. The file is for its owner only (0600).
 * @throws EnvironmentError when the folder cannot be used or the file is damaged.
 */
export function developmentSecrets(folder: string): DevelopmentSecrets {
  const file = developmentFile(folder);
  try {
    return read(file) ?? create(folder, file);
  } catch (cause) {
    if (cause instanceof EnvironmentError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EnvironmentError(
      `DATA_DIR is ${JSON.stringify(folder)}, but takes a folder to write to (${reason}).`,
      { cause },
    );
  }
}

function read(file: string): DevelopmentSecrets | undefined {
  const text = readIfPresent(file);
  if (text === undefined) return undefined;
  const secrets = schema.safeParse(parseOrUndefined(text)).data;
  if (secrets !== undefined) return secrets;
  throw new EnvironmentError(
    `DATA_DIR holds ${JSON.stringify(file)}, which is damaged: delete it, and new secrets are made.`,
  );
}

function readIfPresent(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    chmodSync(file, OWNER_ONLY);
    return text;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}

function parseOrUndefined(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Whole or not at all: the file is linked to its name when it is complete; who comes second takes the first's. */
function create(folder: string, file: string): DevelopmentSecrets {
  const secrets: DevelopmentSecrets = {
    session_secret: randomBytes(48).toString('base64url'),
    jwt_secret: randomBytes(48).toString('base64url'),
    admin_password: randomBytes(15).toString('base64url'),
  };
  makeDataFolder(folder);
  const draft = `${file}.${randomUUID()}`;
  try {
    writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, {
      mode: OWNER_ONLY,
      flag: 'wx',
      flush: true,
    });
    linkSync(draft, file);
    return secrets;
  } catch (error) {
    const made = read(file);
    if (made === undefined) throw error;
    return made;
  } finally {
    rmSync(draft, { force: true });
  }
}
