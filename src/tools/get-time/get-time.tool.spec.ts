import { describe, expect, it } from '@jest/globals';
import { ToolError } from '../tool-error.js';
import { GetTimeTool } from './get-time.tool.js';

const askMars = () => new GetTimeTool().now({ timezone: 'Mars/Base' });

describe('get_time', () => {
  it('answers the present moment in the time zone', () => {
    const before = Math.floor(Date.now() / 1000) * 1000;
    const { time, timezone } = new GetTimeTool().now({ timezone: 'Asia/Tokyo' });
    expect(timezone).toBe('Asia/Tokyo');
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+09:00$/);
    expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(time)).toBeLessThanOrEqual(Date.now());
  });

  it('answers in UTC when no time zone is given', () => {
    expect(new GetTimeTool().now({})).toEqual({ time: expect.stringMatching(/\+00:00$/), timezone: 'UTC' });
  });

  it('tells the model that a time zone does not exist', () => {
    expect(askMars).toThrow(ToolError);
    expect(askMars).toThrow('There is no time zone "Mars/Base". Use an IANA name such as Europe/Berlin.');
  });
});
