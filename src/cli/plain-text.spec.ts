import { describe, expect, it } from '@jest/globals';
import { encodeLine } from './json-line.js';
import { inOneLine, plainText } from './plain-text.js';
import type { StreamEvent } from '../client/agentline-client.js';

describe('text on a terminal', () => {
  it('is shown, and never obeyed', () => {
    expect(plainText('a\u001b[2Jb\u0007\r\u009b1m\u202ec\ttab\nline')).toBe(
      String.raw`a\u001b[2Jb\u0007\u000d\u009b1m\u202ec` + '\ttab\nline',
    );
  });

  it('stands in one line where it is told so, and is cut when it is long', () => {
    expect(inOneLine({ a: 'b\nc' })).toBe(String.raw`{"a":"b\nc"}`);
    expect(inOneLine('b\nc')).toBe(String.raw`b\nc`);
    expect(inOneLine(undefined)).toBe('');
    expect(inOneLine('x'.repeat(30), 10)).toBe('xxxxxxxxxx… (20 characters more)');
  });

  it('is the same JSON value when it is a line of JSON', () => {
    const event = { type: 'token', id: 'run_1.1.1', data: { text: '\u001b\u009b\u202e\n"' } } as StreamEvent;
    const line = encodeLine(event);
    expect(line).not.toMatch(/[\u009b\u202e]/);
    expect(JSON.parse(line)).toEqual({ event: 'token', id: 'run_1.1.1', data: event.data });
  });
});
