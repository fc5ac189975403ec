import { describe, expect, it } from '@jest/globals';
import { encodeControls, encodeForTerminal } from './encode-controls.js';

describe('controls in log lines', () => {
  it('writes C1 controls, separators and direction marks as JSON escapes', () => {
    const line = JSON.stringify({ msg: 'a\u009b31m b\u2028 c\u202e d\u007f' });
    const encoded = encodeControls(line);
    expect(encoded).toBe('{"msg":"a\\u009b31m b\\u2028 c\\u202e d\\u007f"}');
    expect(JSON.parse(encoded)).toEqual(JSON.parse(line));
  });

  it('shows escapes to a person instead of letting the terminal obey them', () => {
    const line = JSON.stringify({ msg: 'red \u001b[31m back\rslash \\u001b \u009b', stack: 'a\nb' });
    expect(JSON.parse(encodeForTerminal(line))).toEqual({
      msg: 'red \\u001b[31m back\\rslash \\u001b \\u009b',
      stack: 'a\nb',
    });
  });
});
