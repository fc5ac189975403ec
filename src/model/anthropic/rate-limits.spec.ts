import { describe, expect, it } from '@jest/globals';
import { rateLimitsOf } from './rate-limits.js';

const NOW = Date.parse('2026-11-25T10:00:00Z');

describe('rateLimitsOf', () => {
  it('reads what is told of each limit', () => {
    const headers = new Headers({
      'anthropic-ratelimit-requests-limit': '1000',
      'anthropic-ratelimit-requests-remaining': '999',
      'anthropic-ratelimit-requests-reset': '2026-11-25T10:00:01Z',
      'anthropic-ratelimit-input-tokens-remaining': '0',
      'anthropic-ratelimit-input-tokens-reset': 'soon',
    });

    expect(rateLimitsOf(headers, NOW)).toEqual([
      { kind: 'requests', limit: 1000, remaining: 999, resetsAt: NOW + 1000 },
      { kind: 'input_tokens', limit: null, remaining: 0, resetsAt: null },
    ]);
  });

  it("counts the time by the server's own clock where it tells it", () => {
    const headers = new Headers({
      date: 'Wed, 25 Nov 2026 09:00:00 GMT',
      'anthropic-ratelimit-tokens-remaining': '0',
      'anthropic-ratelimit-tokens-reset': '2026-11-25T09:00:30Z',
    });

    expect(rateLimitsOf(headers, NOW)).toEqual([
      { kind: 'tokens', limit: null, remaining: 0, resetsAt: NOW + 30_000 },
    ]);
  });

  it.each(['', '-1', '1.5', 'many'])('takes %j for not told', (remaining) => {
    expect(rateLimitsOf(new Headers({ 'anthropic-ratelimit-tokens-remaining': remaining }), NOW)).toEqual([]);
  });
});
