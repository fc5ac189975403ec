import { describe, expect, it } from '@jest/globals';
import { ToolError } from '../tool-error.js';
import { toolResult } from './tool-result.js';

const text = (value: string) => ({ type: 'text' as const, text: value });

describe('toolResult', () => {
  it('is the text where there is only text', () => {
    expect(toolResult({ content: [text('a'), text('b')] })).toBe('a\nb');
    expect(toolResult({ content: [] })).toBe('');
  });

  it('is the structured content where the text repeats it', () => {
    const structuredContent = { b: [1], a: 'x' };
    expect(toolResult({ content: [text('{"a":"x","b":[1]}')], structuredContent })).toEqual({
      a: 'x',
      b: [1],
    });
    expect(toolResult({ content: [text('As asked.')], structuredContent })).toEqual({
      structured_content: { a: 'x', b: [1] },
      content: 'As asked.',
    });
  });

  it('tells kind and size of what is no text', () => {
    const data = Buffer.alloc(1_000).toString('base64');
    const content = [
      text('See:'),
      { type: 'image' as const, data, mimeType: 'image/png' },
      { type: 'audio' as const, data, mimeType: 'audio/wav' },
      { type: 'resource_link' as const, uri: 'file:///a', name: 'a' },
      { type: 'resource' as const, resource: { uri: 'x:1', text: 'inside' } },
      { type: 'resource' as const, resource: { uri: 'x:2', blob: data, mimeType: 'image/gif' } },
    ];
    expect(toolResult({ content })).toEqual([
      { type: 'text', text: 'See:' },
      { type: 'image', mime_type: 'image/png', bytes: 1_000 },
      { type: 'audio', mime_type: 'audio/wav', bytes: 1_000 },
      { type: 'resource_link', uri: 'file:///a', name: 'a', mime_type: undefined },
      { type: 'resource', uri: 'x:1', mime_type: undefined, text: 'inside' },
      { type: 'resource', uri: 'x:2', mime_type: 'image/gif', bytes: 1_000 },
    ]);
  });

  it('throws what the server calls an error', () => {
    expect(() => toolResult({ content: [text('No such city.')], isError: true })).toThrow(
      new ToolError('No such city.'),
    );
    expect(() => toolResult({ content: [], isError: true })).toThrow('The tool failed and gave no reason.');
  });
});
