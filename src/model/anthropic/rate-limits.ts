import type { RateLimit } from '../model-notice.js';

const KINDS: [string, RateLimit['kind']][] = [
  ['requests', 'requests'],
  ['tokens', 'tokens'],
  ['input-tokens', 'input_tokens'],
  ['output-tokens', 'output_tokens'],
];

/**
 * What the headers of an answer say of the provider's limits: `anthropic-ratelimit-<kind>-{limit,remaining,reset}`.
 * `resetsAt` is by our clock, where the answer has a date: theirs may be minutes off.
 * @param now milliseconds since 1970
 */
export function rateLimitsOf(headers: Headers, now: number): RateLimit[] {
  return KINDS.flatMap(([name, kind]) => {
    const told = (what: string) => headers.get(`anthropic-ratelimit-${name}-${what}`);
    const remaining = countOf(told('remaining'));
    if (remaining === null) return [];
    return [
      { kind, limit: countOf(told('limit')), remaining, resetsAt: momentOf(told('reset'), headers, now) },
    ];
  });
}

function countOf(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function momentOf(text: string | null, headers: Headers, now: number): number | null {
  const moment = Date.parse(text ?? '');
  if (Number.isNaN(moment)) return null;
  const theirs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(theirs) ? moment : now + (moment - theirs);
}
