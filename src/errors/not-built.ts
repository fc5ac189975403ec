import { AppError } from './app-error.js';

/** Parts of the contract that come later say so. */
export function notBuilt(what: string): never {
  throw new AppError('not_implemented', `${what} is not built yet.`);
}
