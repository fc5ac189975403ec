import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { invalidRequest } from './invalid-request.js';

const source = z.union([
  z.strictObject({ type: z.literal('base64'), data: z.string() }),
  z.strictObject({ type: z.literal('url'), url: z.string() }),
]);
const block = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: z.string() }),
  z.strictObject({ type: z.literal('image'), source }),
]);
const body = z.strictObject({
  content: z.union([z.string(), z.array(block)]),
  limits: z.strictObject({ turns: z.int().max(5) }).optional(),
});

function refused(value: unknown) {
  const { message, errors, status, code } = invalidRequest(body.safeParse(value).error!.issues);
  expect([status, code]).toEqual([400, 'invalid_request']);
  return { message, paths: errors?.map(({ path }) => path), errors };
}

describe('what is wrong with a request', () => {
  it.each<[string, unknown, string[]]>([
    ['is the whole, when it is no object', 'x', ['']],
    ['is a field that is missing', {}, ['content']],
    ['is a field of the wrong type', { content: 5 }, ['content']],
    ['is a place inside', { content: 'x', limits: { turns: 9 } }, ['limits.turns']],
    ['are unknown fields, each by name', { content: 'x', a: 1, b: 2 }, ['a', 'b']],
    ['are unknown fields inside', { content: 'x', limits: { turns: 1, a: 1 } }, ['limits.a']],
    ['is an unknown field of a block', { content: [{ type: 'text', text: 'x', a: 1 }] }, ['content.0.a']],
    [
      'is a block of an unknown type',
      { content: [{ type: 'text', text: 'x' }, { type: 'x' }] },
      ['content.1.type'],
    ],
    ['is a block that is none', { content: [7] }, ['content.0']],
    ['is a field of a block', { content: [{ type: 'text', text: 5 }] }, ['content.0.text']],
    [
      'is a field of the alternative that its type names',
      { content: [{ type: 'image', source: { type: 'url', url: 5 } }] },
      ['content.0.source.url'],
    ],
    [
      'is the place of alternatives none of which was meant',
      { content: [{ type: 'image', source: { type: 'x', data: 'y' } }] },
      ['content.0.source'],
    ],
    [
      'are several places at once',
      { content: [{ type: 'text' }, { type: 'image' }] },
      ['content.0.text', 'content.1.source'],
    ],
  ])('%s', (_name, value, paths) => {
    expect(refused(value).paths).toEqual(paths);
  });

  it('is told in a sentence that names the first place', () => {
    expect(refused({ content: 'x', colour: 1 }).message).toBe('`colour` is not valid: unknown field.');
    expect(refused(null).message).toMatch(/^The request is not valid: .+\.$/);
  });

  it('is told at twenty places at most', () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, n]));
    expect(refused({ content: 'x', ...many }).errors).toHaveLength(20);
  });

  it('is told without a place when the schema names none', () => {
    expect(invalidRequest([]).message).toBe('The request is not valid: check its form.');
    expect(invalidRequest([{ message: 'No', path: [{ key: 'a' }, 0, Symbol('s')] }]).errors).toEqual([
      { path: 'a.0.Symbol(s)', message: 'No' },
    ]);
  });
});
