import { describe, expect, it } from '@jest/globals';
import { zonedTime } from './zoned-time.js';

describe('zonedTime', () => {
  it.each([
    ['UTC', '2026-11-25T15:12:03Z', '2026-11-25T15:12:03+00:00'],
    ['Europe/Berlin', '2026-11-25T15:12:03Z', '2026-11-25T16:12:03+01:00'],
    ['Europe/Berlin', '2026-07-01T10:00:00Z', '2026-07-01T12:00:00+02:00'],
    ['America/St_Johns', '2026-01-01T00:00:00Z', '2025-12-31T20:30:00-03:30'],
    ['Pacific/Kiritimati', '2026-12-31T10:00:00Z', '2027-01-01T00:00:00+14:00'],
    ['Asia/Kathmandu', '2026-03-01T18:15:00Z', '2026-03-02T00:00:00+05:45'],
    ['Asia/Bangkok', '2026-11-25T15:12:03.999Z', '2026-11-25T22:12:03+07:00'],
  ])('in %s, %s is %s', (timezone, moment, local) => {
    expect(zonedTime(new Date(moment), timezone)).toBe(local);
  });

  it('throws a RangeError for a time zone that does not exist', () => {
    expect(() => zonedTime(new Date(0), 'Mars/Base')).toThrow(RangeError);
  });
});
