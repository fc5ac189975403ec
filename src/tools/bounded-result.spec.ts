import { describe, expect, it } from '@jest/globals';
import { boundedResult } from './bounded-result.js';

const KIB_100 = 100 * 1024;

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

describe('boundedResult', () => {
  it.each([
    ['a text', 'ok', 'ok'],
    ['undefined', undefined, null],
    ['null', null, null],
    ['a function', () => 1, null],
    ['a symbol', Symbol('x'), null],
    ['a truth value', false, false],
    ['NaN', NaN, null],
    ['a BigInt', 12345678901234567890n, '12345678901234567890'],
    ['a huge BigInt', 10n ** 100_000n, '[a very large integer]'],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['a URL', new URL('https://example.com/'), 'https://example.com/'],
    ['a buffer', Buffer.alloc(3), '[binary data: 3 bytes]'],
    ['a typed array', new Float64Array(2), '[binary data: 16 bytes]'],
    ['an array buffer', new ArrayBuffer(5), '[binary data: 5 bytes]'],
    ['an array with gaps', [1, undefined, () => 1], [1, null, null]],
    ['fields without JSON form', { a: 1, b: undefined, c: () => 1 }, { a: 1 }],
    [
      'nested values',
      { a: [{ b: 1n, c: Buffer.alloc(1) }] },
      { a: [{ b: '1', c: '[binary data: 1 bytes]' }] },
    ],
  ])('%s has a JSON form', (_what, value, expected) => {
    expect(boundedResult(value, KIB_100)).toEqual(expected);
  });

  it('notes a cycle, but not a value that merely stands in two places', () => {
    const twice = { n: 1 };
    const cyclic: Record<string, unknown> = { twice, again: twice };
    cyclic['self'] = cyclic;
    expect(boundedResult(cyclic, KIB_100)).toEqual({
      twice: { n: 1 },
      again: { n: 1 },
      self: '[circular: this value contains itself]',
    });
  });

  it('stops at 64 levels', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level += 1) deep = [deep];
    expect(JSON.stringify(boundedResult(deep, KIB_100))).toBe(
      `${'['.repeat(64)}"[nested deeper than 64 levels]"${']'.repeat(64)}`,
    );
  });

  it('keeps a field named __proto__ a field', () => {
    const copy = boundedResult(JSON.parse('{"__proto__":{"admin":true}}'), KIB_100);
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"admin":true}}');
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
  });

  it('cuts the long text of a structure and keeps what follows it', () => {
    const page = { status: 200, text: 'x'.repeat(1_000_000), truncated: true, next: 'y'.repeat(1000) };
    const copy = boundedResult(page, KIB_100) as typeof page;
    expect(copy.status).toBe(200);
    expect(copy.text).toMatch(/^x+\n\[… 9\d{5} characters left out …\]\nx+$/);
    expect(copy.truncated).toBe(true);
    expect(copy.next).toBe('y'.repeat(1000));
    expect(bytesOf(copy)).toBeLessThanOrEqual(KIB_100);
  });

  it('does not cut a long text that fits', () => {
    const page = { text: 'x'.repeat(90_000), truncated: false };
    expect(boundedResult(page, KIB_100)).toEqual(page);
  });

  it('says how many items and fields were left out', () => {
    const items = boundedResult(
      Array.from({ length: 1_000_000 }, (_, n) => n),
      KIB_100,
    ) as unknown[];
    expect(items.at(-1)).toBe(`[… ${1_000_000 - items.length + 1} more items left out]`);
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field${n}`, n]));
    const fields = boundedResult(many, KIB_100) as Record<string, unknown>;
    expect(fields['…']).toBe(`[${50_000 - Object.keys(fields).length + 1} more fields left out]`);
    expect(bytesOf(items)).toBeLessThanOrEqual(KIB_100);
    expect(bytesOf(fields)).toBeLessThanOrEqual(KIB_100);
  });

  it.each<[string, () => unknown]>([
    ['a text of 100 MB', () => Buffer.alloc(100_000_000, 'x').toString('latin1')],
    ['a text of 100 MB in a structure', () => ({ text: Buffer.alloc(100_000_000, 'x').toString('latin1') })],
    ['100 MB of bytes', () => Buffer.alloc(100_000_000)],
    ['a million rows', () => Array.from({ length: 1_000_000 }, (_, id) => ({ id, name: 'some name' }))],
    ['an array of a billion holes', holes],
    ['ten million references to one value', references],
    ['an object that doubles at each level', doubling],
  ])('cuts %s at once and without a copy', (_what, make) => {
    const value = make();
    const memory = process.memoryUsage().rss;
    const cpu = process.cpuUsage();
    const copy = boundedResult(value, KIB_100);
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(3_000);
    expect(process.memoryUsage().rss - memory).toBeLessThan(32 * 1024 * 1024);
    expect(bytesOf(copy)).toBeLessThanOrEqual(KIB_100);
  });
});

function holes(): unknown {
  const value: unknown[] = [];
  value.length = 1_000_000_000;
  return value;
}

function references(): unknown {
  const row = { a: [1, 2, 3] };
  return Array.from({ length: 10_000_000 }, () => row);
}

function doubling(): unknown {
  let value: unknown = 'leaf';
  for (let level = 0; level < 60; level += 1) value = [value, value];
  return value;
}
