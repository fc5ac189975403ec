import type { ContentBlock } from '../language-model.js';
import { isRecord } from '../json.js';

/** What reading a text as JSON gives. `numbers`: the text of those that would not be written again as they came. */
export interface ExactValue {
  value: unknown;
  /** By JSON Pointer (RFC 6901). */
  numbers: Record<string, string>;
}

/** Only texts with one of these can hold a number that is written differently. */
const MAY_DIFFER = /\d{16}|\d[.eE]|-0/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** More significant digits than a double ever shows. */
const MAX_DIGITS = 17;

/** ECMAScript 2026, which the compiler's library does not know yet: a number that is written as this text. */
const { rawJSON } = JSON as unknown as { rawJSON: (this: void, text: string) => object };

/** The number as it was written, while its place is not known yet. */
class Written {
  constructor(
    readonly source: string,
    readonly value: number,
  ) {}
}

/**
 * Reads JSON so that no number loses a digit: one that a double cannot hold (ids above 2^53, above all) becomes
 * a string of its digits.
 * @throws SyntaxError
 */
export function parseExactly(text: string): ExactValue {
  const numbers: Record<string, string> = {};
  if (!MAY_DIFFER.test(text)) return { value: JSON.parse(text), numbers };
  const value: unknown = JSON.parse(text, (_key, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    return typeof value === 'number' && source !== undefined && !isWrittenAgain(value, source)
      ? new Written(source, value)
      : value;
  });
  return { value: settle(value, '', numbers), numbers };
}

/** The block as the model wrote it: its numbers go back digit by digit. Signatures cover what was written. */
export function asWritten(block: ContentBlock): ContentBlock {
  const { exact_numbers: numbers, ...rest } = block;
  if (!isRecord(numbers)) return block;
  const input: unknown = structuredClone(block.input);
  for (const [pointer, source] of Object.entries(numbers)) {
    if (typeof source === 'string' && NUMBER.test(source)) put(input, pointer, rawJSON(source));
  }
  return { ...rest, type: block.type, input };
}

function isWrittenAgain(value: number, source: string): boolean {
  return JSON.stringify(value) === source && !isLossy(value, source);
}

function isLossy(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return true;
  if (/^-?\d+$/.test(source)) return !Number.isSafeInteger(value);
  const digits = source
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '');
  return digits.length > MAX_DIGITS;
}

function settle(value: unknown, pointer: string, numbers: Record<string, string>): unknown {
  if (value instanceof Written) {
    numbers[pointer] = value.source;
    return isLossy(value.value, value.source) ? value.source : value.value;
  }
  if (typeof value !== 'object' || value === null) return value;
  for (const [key, part] of Object.entries(value)) {
    if (typeof part !== 'object') continue;
    const settled = settle(part, `${pointer}/${escaped(key)}`, numbers);
    if (settled !== part) define(value, key, settled);
  }
  return value;
}

function put(root: unknown, pointer: string, value: unknown): void {
  const path = pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = path.pop();
  let at = root;
  for (const key of path) at = own(at, key);
  if (last !== undefined && own(at, last) !== undefined) define(at as object, last, value);
}

function own(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return Reflect.get(value, key);
}

/** An assignment to `__proto__` would not make a field of that name. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
