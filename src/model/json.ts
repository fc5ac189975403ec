/** A JSON object whose fields are not checked yet. */
export type Json = Record<string, unknown>;

/** Whether a parsed JSON value is an object: neither an array nor null. */
export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
