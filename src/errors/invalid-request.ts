import { AppError } from './app-error.js';

const MAX_ERRORS = 20;
/** A name may be as long as a body: it is repeated as far as its sender needs to find it. */
const MAX_NAME = 100;

interface Issue {
  message: string;
  path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined;
  /** Names that a strict object does not know (zod). */
  keys?: readonly string[];
  /** What is wrong with each alternative of a union (zod). */
  errors?: readonly (readonly Issue[])[];
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

function places({ message, path = [], keys = [], errors = [] }: Issue): { path: string; message: string }[] {
  const parts = path.map((part) => String(typeof part === 'object' ? part.key : part));
  const meant = nearest(errors);
  if (meant !== undefined) {
    return meant.flatMap(places).map((place) => ({ ...place, path: join([...parts, place.path]) }));
  }
  if (keys.length === 0) return [{ path: join(parts), message }];
  return keys.slice(0, MAX_ERRORS).map((key) => ({ path: join([...parts, key]), message: 'unknown field' }));
}

function join(parts: readonly string[]): string {
  return parts
    .filter((part) => part !== '')
    .map((part) => (part.length > MAX_NAME ? `${part.slice(0, MAX_NAME)}…` : part))
    .join('.');
}

/**
 * The alternative that was meant: what is wrong lies inside it, and not in the `type` by which it is told from the
 * others. Undefined when all of the value is wrong.
 */
function nearest(alternatives: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return alternatives.find((issues) =>
    issues.every(({ path = [] }) => path.length > 1 || (path.length === 1 && path[0] !== 'type')),
  );
}
