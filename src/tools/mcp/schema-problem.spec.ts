import { describe, expect, it } from '@jest/globals';
import { schemaProblem } from './schema-problem.js';

const withField = (field: unknown) => ({ type: 'object', properties: { a: field } });

describe('schemaProblem', () => {
  it.each([
    { type: 'object' },
    {
      type: 'object',
      properties: {},
      additionalProperties: false,
      $schema: 'http://json-schema.org/draft-07/schema#',
    },
    withField({ anyOf: [{ type: 'string' }, { type: 'null' }], default: null }),
    withField({ type: ['string', 'null'], enum: ['a', null], pattern: '^a' }),
    withField({ $ref: '#/$defs/x' }),
    withField(true),
    { type: 'object', required: ['a'], $defs: { x: { type: 'array', items: { $ref: '#/$defs/x' } } } },
  ])('takes %j', (schema) => {
    expect(schemaProblem(schema)).toBeUndefined();
  });

  it.each<[Record<string, unknown>, string]>([
    [{}, 'is not of the type "object"'],
    [{ type: 'string' }, 'is not of the type "object"'],
    [{ type: 'object', anyOf: [{}] }, 'has anyOf at the top'],
    [{ type: 'object', properties: { 'a b': {} } }, 'has the property "a b", a name that cannot be sent'],
    [{ type: 'object', properties: [] }, 'has "properties" that is no object'],
    [{ type: 'object', required: 'a' }, 'has a "required" that is no list of names'],
    [withField({ type: 'text' }), 'names a type that there is not'],
    [withField({ type: [] }), 'names a type that there is not'],
    [withField('string'), 'has something that is no schema in the place of one'],
    [withField({ enum: 'a' }), 'has an "enum" that is no list'],
    [withField({ $ref: 'https://evil.test/schema' }), 'refers to something outside of itself'],
    [withField({ items: [{}] }), 'has something that is no schema in the place of one'],
    [withField({ anyOf: [] }), 'has "anyOf" that is no list of schemas'],
    [withField({ pattern: 1 }), 'has a "pattern" that is no text'],
  ])('refuses %j', (schema, problem) => {
    expect(schemaProblem(schema)).toBe(problem);
  });
});
