import { describe, expect, it } from '@jest/globals';
import { usageQuery } from './requests.js';

describe('the query for usage', () => {
  it('is for the last 30 days, by day and model, when it says nothing', () => {
    const { from, to, by } = usageQuery.parse({});
    expect(by).toEqual(['day', 'model']);
    expect(to - from).toBe(30 * 86_400_000);
    expect(Math.abs(to - Date.now())).toBeLessThan(10_000);
  });

  it('takes the 30 days before `to`, where that alone is given', () => {
    const { from } = usageQuery.parse({ to: '2026-11-25T00:00:00Z' });
    expect(new Date(from).toISOString()).toBe('2026-10-26T00:00:00.000Z');
  });

  it.each([
    { from: 'yesterday' },
    { from: '2026-02-30' },
    { from: '2026-11-25T12:00:00' },
    { to: '25.11.2026' },
    { from: '' },
    { from: ['2026-11-25', '2026-11-26'] },
    { from: '2026-11-26', to: '2026-11-25' },
    { from: '2026-11-25T00:00:00Z', to: '2026-11-25T00:00:00Z' },
    { group_by: '' },
    { group_by: 'day,' },
    { group_by: 'day,day' },
    { group_by: 'tenant' },
    { user: 'bob' },
  ])('%j is refused', (query) => {
    expect(usageQuery.safeParse(query).success).toBe(false);
  });
});
