import { AppError } from './app-error.js';

const MAX_ERRORS = 20;

interface Issue {
  message: string;
  path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined;
  /** Names that a strict object does not know (zod). */
  keys?: readonly string[];
}

/** What a schema found wrong, as the error that the caller gets: one entry a wrong place, unknown fields by name. */
export function invalidRequest(issues: readonly object[]): AppError {
  const errors = (issues as Issue[]).flatMap(places).slice(0, MAX_ERRORS);
  const first = errors[0];
  const where = first === undefined || first.path === '' ? 'The request' : `\`${first.path}\``;
  return new AppError('invalid_request', `${where} is not valid: ${first?.message ?? 'check its form'}.`, {
    errors,
  });
}

function places({ message, path = [], keys = [] }: Issue): { path: string; message: string }[] {
  const parts = path.map((part) => String(typeof part === 'object' ? part.key : part));
  if (keys.length === 0) return [{ path: parts.join('.'), message }];
  return keys.map((key) => ({ path: [...parts, key].join('.'), message: 'unknown field' }));
}
