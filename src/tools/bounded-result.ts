import { cutText } from './cut-text.js';

/** What the markers may take on top of the values that they stand for. */
const MARKER_BYTES = 4096;
/** A text of this size is never cut: the note about it would be as long. */
const SHORT_BYTES = 64;
const MAX_DEPTH = 64;
/** Beyond this a BigInt is not written out: its digits cost quadratic time. */
const MAX_BIGINT = 2n ** 4096n;

/**
 * What a tool returned, as a JSON value of at most about `maxBytes` bytes (UTF-8, before escaping).
 *
 * A long text keeps its head and tail. In a large structure long texts are cut one by one, then items and fields
 * are left out; a text in the place of what is missing says how much. Values without a JSON form become what
 * `JSON.stringify` makes of them, but a BigInt becomes its digits, binary data its size, and a cycle a note.
 * Looks at no more of the value than it keeps. Throws what a getter or `toJSON` of the value throws.
 */
export function boundedResult(value: unknown, maxBytes: number): unknown {
  if (typeof value === 'string') return cutText(value, maxBytes);
  const whole = new JsonCopy(maxBytes - MARKER_BYTES, 1);
  const copy = whole.of(value);
  // The second time no text takes more than half of what is left, so that what follows it is still seen.
  return whole.complete ? copy : new JsonCopy(maxBytes - MARKER_BYTES, 0.5).of(value);
}

class JsonCopy {
  /** False when something was left out. */
  complete = true;
  private readonly ancestors = new Set<object>();

  constructor(
    private left: number,
    private readonly share: number,
  ) {}

  of(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        return this.spend(Number.isFinite(value) ? value : null, 8);
      case 'boolean':
        return this.spend(value, 5);
      case 'bigint':
        return this.text(
          value < MAX_BIGINT && value > -MAX_BIGINT ? value.toString() : '[a very large integer]',
        );
      case 'object':
        return value === null ? this.spend(null, 4) : this.object(value);
      default:
        return this.spend(null, 4);
    }
  }

  private object(value: object): unknown {
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
      return this.text(`[binary data: ${value.byteLength} bytes]`);
    }
    if (this.ancestors.has(value)) return this.text('[circular: this value contains itself]');
    if (this.ancestors.size >= MAX_DEPTH) return this.text(`[nested deeper than ${MAX_DEPTH} levels]`);
    this.ancestors.add(value);
    this.left -= 2;
    try {
      const plain = toJson(value);
      if (Array.isArray(plain)) return this.items(plain);
      return typeof plain === 'object' && plain !== null ? this.fields(plain) : this.of(plain);
    } finally {
      this.ancestors.delete(value);
    }
  }

  private items(values: readonly unknown[]): unknown[] {
    const copies: unknown[] = [];
    for (let index = 0; index < values.length; index += 1) {
      if (this.left <= 0) {
        this.complete = false;
        copies.push(`[… ${values.length - index} more items left out]`);
        break;
      }
      copies.push(this.of(values[index]));
    }
    return copies;
  }

  private fields(value: object): unknown {
    const copies: [string, unknown][] = [];
    const keys = Object.keys(value);
    for (const [index, key] of keys.entries()) {
      this.left -= key.length + 4;
      if (this.left <= 0) {
        this.complete = false;
        copies.push(['…', `[${keys.length - index} more fields left out]`]);
        break;
      }
      const field: unknown = Reflect.get(value, key);
      if (hasJsonForm(field)) copies.push([key, this.of(field)]);
    }
    // Unlike an assignment this keeps a field named __proto__ a field.
    return Object.fromEntries(copies);
  }

  private text(value: string): string {
    const text = cutText(value, Math.max(SHORT_BYTES, Math.floor(this.left * this.share)));
    if (text.length < value.length) this.complete = false;
    return this.spend(text, Buffer.byteLength(text) + 2);
  }

  private spend<T>(value: T, bytes: number): T {
    this.left -= bytes + 1;
    return value;
  }
}

function hasJsonForm(value: unknown): boolean {
  return value !== undefined && typeof value !== 'function' && typeof value !== 'symbol';
}

function toJson(value: object): unknown {
  return 'toJSON' in value && typeof value.toJSON === 'function' ? (value.toJSON() as unknown) : value;
}
