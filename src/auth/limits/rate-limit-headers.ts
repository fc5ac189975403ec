import type { ServerResponse } from 'node:http';
import type { LimitAnswer } from '../../limits/limits.service.js';

/** Tells what is left of each limit of requests (draft-ietf-httpapi-ratelimit-headers-10, §3 and §4). */
export function tellRateLimit(response: ServerResponse, answers: readonly LimitAnswer[]): void {
  if (answers.length === 0) return;
  const policies = answers.map(({ party, limit }) => `"${party}";q=${limit};w=60`);
  const states = answers.map(
    ({ party, left, resetsInMs }) => `"${party}";r=${left};t=${Math.max(0, Math.ceil(resetsInMs / 1_000))}`,
  );
  response.setHeader('RateLimit-Policy', policies.join(', '));
  response.setHeader('RateLimit', states.join(', '));
}
