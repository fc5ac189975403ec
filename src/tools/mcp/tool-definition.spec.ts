import { describe, expect, it } from '@jest/globals';
import type { Tool } from '@modelcontextprotocol/client';
import { readServers, type ToolServer } from './tool-servers.js';
import { readDefinitions } from './tool-definition.js';

const SCHEMA = { type: 'object' as const, properties: { city: { type: 'string' } } };

function server(tools?: string[]): ToolServer {
  const [read] = readServers('X', JSON.stringify({ far: { url: 'https://example.com', tools } }), {});
  return read!;
}

function read(...tools: Partial<Tool>[]) {
  return readDefinitions(
    server(),
    tools.map((tool) => ({ name: 'weather', inputSchema: SCHEMA, ...tool })),
  );
}

const of = (tool: Partial<Tool>) => read(tool).definitions[0]?.fingerprint;

function nested(depth: number): Tool['inputSchema'] {
  let schema: object = { type: 'string' };
  for (let level = 0; level < depth; level += 1) schema = { type: 'array', items: schema };
  return { type: 'object', properties: { a: schema } } as Tool['inputSchema'];
}

describe('readDefinitions', () => {
  it('names the server before the tool and before what it says of itself', () => {
    const { definitions, problems } = read({ description: ' The weather. ' }, { name: 'now' });
    expect(definitions).toMatchObject([
      { name: 'weather', offeredAs: 'far__weather', description: '[far] The weather.', inputSchema: SCHEMA },
      { name: 'now', offeredAs: 'far__now', description: '[far] now' },
    ]);
    expect(problems).toEqual([]);
  });

  it.each(['get.weather', 'get weather', 'größe', 'x'.repeat(60), '../..', '名前'])(
    'gives %s a name that can be sent, the same each time',
    (name) => {
      const first = read({ name }).definitions[0]?.offeredAs ?? '';
      expect(first).toMatch(/^far__[a-zA-Z0-9_-]*_[0-9a-f]{8}$/);
      expect(first.length).toBeLessThanOrEqual(64);
      expect(read({ name }).definitions[0]?.offeredAs).toBe(first);
    },
  );

  it('gives names that look alike different names', () => {
    const names = ['a.b', 'a b', 'a_b', 'a/b'].map((name) => read({ name }).definitions[0]?.offeredAs);
    expect(new Set(names).size).toBe(4);
  });

  it('has another fingerprint when the description, the schema or the annotations change, and only then', () => {
    const same = of({ description: 'a', annotations: { readOnlyHint: true, title: 't' } });
    expect(of({ description: 'a', annotations: { title: 't', readOnlyHint: true } })).toBe(same);
    expect(of({ description: 'b', annotations: { readOnlyHint: true, title: 't' } })).not.toBe(same);
    expect(of({ description: 'a', annotations: { readOnlyHint: false, title: 't' } })).not.toBe(same);
    expect(of({ description: 'a', inputSchema: nested(1) })).not.toBe(of({ description: 'a' }));
  });

  it('sees a change that the model is not told of: the cut part of a long description', () => {
    const long = 'x'.repeat(20_000);
    const [a] = read({ description: `${long}a${long.slice(0, 5000)}` }).definitions;
    const [b] = read({ description: `${long}b${long.slice(0, 5000)}` }).definitions;
    expect(Buffer.byteLength(a!.description)).toBeLessThanOrEqual(8 * 1024);
    expect(a!.fingerprint).not.toBe(b!.fingerprint);
  });

  it.each<[string, Partial<Tool>]>([
    ['a description of 1 MB', { description: 'x'.repeat(1_000_000) }],
    ['a schema of 1 MB', { inputSchema: { type: 'object', title: 'x'.repeat(1_000_000) } }],
    ['a schema of 33 levels', { inputSchema: nested(33) }],
    ['a schema of 100,000 levels', { inputSchema: nested(100_000) }],
    ['no name', { name: '' }],
    ['a name with a line end', { name: 'a\nb' }],
    ['half a character as name', { name: '\uD800' }],
    ['a long name', { name: 'x'.repeat(257) }],
    ['a schema that the model refuses', { inputSchema: { type: 'object', oneOf: [{}] } }],
  ])('leaves out a tool with %s, and keeps the others', (_what, tool) => {
    const { definitions, problems } = read(tool, { name: 'good' });
    expect(definitions.map(({ name }) => name)).toEqual(['good']);
    expect(problems).toEqual([expect.stringMatching(/ is not offered: /)]);
    expect(problems[0]!.length).toBeLessThan(300);
  });

  it('offers 128 tools of a server, and only those of the allow list', () => {
    const many = Array.from({ length: 2_000 }, (_, n) => ({ name: `t${n}`, inputSchema: SCHEMA }));
    const all = readDefinitions(server(), many);
    expect([all.definitions.length, all.problems]).toEqual([
      128,
      ['1872 of its tools are not offered: 128 at most'],
    ]);
    const some = readDefinitions(server(['t1999', 't7', 'gone']), many);
    expect(some.definitions.map(({ name }) => name)).toEqual(['t7', 't1999']);
    expect(some.problems).toEqual([]);
  });
});
