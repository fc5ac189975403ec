import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ToolRegistry } from './tool-registry.js';
import type { RegisteredTool, ToolOptions } from './tool.js';

function tool(options: Partial<ToolOptions>): RegisteredTool {
  return {
    options: { name: 'tool', description: 'Does something.', input: z.object({}), ...options },
    call: () => Promise.resolve(null),
  };
}

describe('ToolRegistry', () => {
  it('lists its tools by name, in whatever order they came', () => {
    const registry = new ToolRegistry();
    for (const name of ['b', 'a', 'B', 'a_1']) registry.register(tool({ name }), 'Somewhere.method');
    expect(registry.list().map(({ options }) => options.name)).toEqual(['B', 'a', 'a_1', 'b']);
    expect(registry.specs().map(({ name }) => name)).toEqual(['B', 'a', 'a_1', 'b']);
  });

  it('finds a tool by its exact name', () => {
    const registry = new ToolRegistry();
    const weather = tool({ name: 'weather' });
    registry.register(weather, 'Weather.now');
    expect(registry.select('all').find('weather')).toBe(weather);
    expect(registry.select('all').find('Weather')).toBeUndefined();
    expect(registry.select('all').find('__proto__')).toBeUndefined();
  });

  it('describes the arguments as JSON Schema of what the model sends', () => {
    const registry = new ToolRegistry();
    const input = z.strictObject({
      city: z.string().describe('Its name.'),
      days: z.string().default('1').transform(Number),
    });
    registry.register(tool({ name: 'weather', input }), 'Weather.now');
    expect(registry.specs()).toEqual([
      {
        name: 'weather',
        description: 'Does something.',
        input_schema: {
          type: 'object',
          properties: {
            city: { type: 'string', description: 'Its name.' },
            days: { type: 'string', default: '1' },
          },
          required: ['city'],
          additionalProperties: false,
        },
      },
    ]);
  });

  it('describes each tool once', () => {
    const registry = new ToolRegistry();
    registry.register(tool({}), 'Somewhere.method');
    expect(registry.specs()[0]).toBe(registry.specs()[0]);
  });

  it('refuses a second tool of the same name and names both places', () => {
    const registry = new ToolRegistry();
    registry.register(tool({ name: 'pay' }), 'Bills.pay in BillsModule');
    expect(() => registry.register(tool({ name: 'pay' }), 'Wages.pay in WagesModule')).toThrow(
      'Two tools are named "pay": Bills.pay in BillsModule and Wages.pay in WagesModule. Rename one of them.',
    );
  });

  it.each([
    [{ name: 'get weather' }, 'The tool "get weather" of A.b has a bad name: it takes 1 to 64 letters'],
    [{ name: '' }, 'The tool "" of A.b has a bad name'],
    [{ name: 'x'.repeat(65) }, 'has a bad name'],
    [{ name: 'größe' }, 'has a bad name'],
    [{ name: 'x\n' }, 'has a bad name'],
    [{ description: ' ' }, 'The tool "tool" of A.b has no description'],
    [{ timeoutMs: 0 }, 'The tool "tool" of A.b has the timeout 0'],
    [{ timeoutMs: 2 ** 31 }, 'has the timeout 2147483648'],
    [
      { input: z.object({ at: z.date() }) },
      'The input of the tool "tool" of A.b cannot be written as JSON Schema.',
    ],
  ])('refuses %p', (options, message) => {
    expect(() => new ToolRegistry().register(tool(options), 'A.b')).toThrow(message);
  });

  it('takes names of 64 characters', () => {
    const registry = new ToolRegistry();
    registry.register(tool({ name: 'x'.repeat(64) }), 'A.b');
    expect(registry.list()).toHaveLength(1);
  });

  it('replaces the tools of a group as one, and withdraws them', () => {
    const registry = new ToolRegistry();
    registry.register(tool({ name: 'm' }), 'A.b');
    expect(registry.replaceGroup('far', [tool({ name: 'z' }), tool({ name: 'a' })])).toEqual([]);
    expect(registry.replaceGroup('near', [tool({ name: 'n' })])).toEqual([]);
    expect(registry.specs().map(({ name }) => name)).toEqual(['a', 'm', 'n', 'z']);
    registry.replaceGroup('far', [tool({ name: 'b' })]);
    expect(registry.list().map(({ options }) => options.name)).toEqual(['b', 'm', 'n']);
    registry.replaceGroup('far', []);
    expect(registry.specs().map(({ name }) => name)).toEqual(['m', 'n']);
  });

  it('leaves a set that was chosen as it is when a group changes', () => {
    const registry = new ToolRegistry();
    const before = tool({ name: 'a' });
    registry.replaceGroup('far', [before]);
    const chosen = registry.select('all');
    registry.replaceGroup('far', []);
    expect(chosen.find('a')).toBe(before);
    expect(chosen.names()).toEqual(['a']);
  });

  it('leaves out of a group what cannot be offered, and says why', () => {
    const registry = new ToolRegistry();
    registry.register(tool({ name: 'pay' }), 'Bills.pay');
    const group = [tool({ name: 'pay' }), tool({ name: 'x y' }), tool({ name: 'b' }), tool({ name: 'b' })];
    expect(registry.replaceGroup('the server far', group)).toEqual([
      '"pay" is the name of a tool of Bills.pay already',
      '"x y" has a bad name: it takes 1 to 64 letters, digits, "_" and "-"',
      '"b" is the name of a tool of the server far already',
    ]);
    expect(registry.specs().map(({ name }) => name)).toEqual(['b', 'pay']);
  });
});
