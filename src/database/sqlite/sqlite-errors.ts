import { AppError } from '../../errors/app-error.js';

/** Primary result codes, the low byte of `errcode` (https://sqlite.org/rescode.html). */
const BUSY = 5;
const IO_ERROR = 10;
const FULL = 13;

/** The file is locked by another process. */
export function isBusy(error: unknown): boolean {
  return primaryCode(error) === BUSY;
}

/** @returns the error as `storage_full` where the disk is full or fails, else as it is. */
export function explainSqliteError(error: unknown): unknown {
  const code = primaryCode(error);
  if (code !== FULL && code !== IO_ERROR) return error;
  return new AppError('storage_full', 'The disk of the database is full or fails: make room in DATA_DIR.', {
    cause: error,
  });
}

function primaryCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
