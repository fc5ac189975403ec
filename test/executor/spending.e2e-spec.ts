import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { StrictUpstream } from '../support/anthropic/strict-upstream.js';
import { Api } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { dataOf, faultsOf, type ViewedEvent } from '../support/event-list.js';
import { upstreamEnv } from '../support/test-env.js';

let upstream: StrictUpstream;
let app: RunningApp;
let ada: Api;

beforeAll(async () => {
  upstream = await StrictUpstream.start();
  const budgets = { run: { usd: 0.5, tool_calls: 5 } };
  app = await startApp({ ...upstreamEnv(upstream.url), BUDGETS: JSON.stringify(budgets) });
  ada = await Api.as(app.url, 'ada');
});
beforeEach(() => upstream.forget());
afterAll(async () => {
  await app.stop();
  await upstream.stop();
});

const USED = {
  input_tokens: 1000,
  output_tokens: 10_000,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};
const timeIn = (zone: string, id: string) => ({ id, name: 'get_time', input: { timezone: zone } });

/** Of a run whose first message this is; titles and the like are asked for elsewhere. */
const turns = () => upstream.calls.filter(({ body }) => body.model === 'claude-opus-5-5');
const failureOf = (events: ViewedEvent[]) => dataOf(events.find(({ event }) => event === 'error'));

async function play(): Promise<ViewedEvent[]> {
  const { events } = await ada.read({}, { body: { content: 'go' } });
  expect(faultsOf(events)).toEqual([]);
  return events;
}

describe('a run with a budget', () => {
  it('item 36: of money asks for shorter answers as it is used up, ends before it is exceeded, and says why', async () => {
    let calls = 0;
    upstream.answer(({ body }) => {
      if (body.model !== 'claude-opus-5-5') return { sse: textReply(['A title']) };
      calls += 1;
      const usage = { ...USED, output_tokens: Math.min(USED.output_tokens, body.max_tokens) };
      return { sse: toolReply([], [timeIn('UTC', `t${calls}`)], usage) };
    });

    const events = await play();

    const asked = turns().map(({ body }) => body.max_tokens);
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.at(-1)!).toBeLessThan(asked[0]!);
    expect(failureOf(events).code).toBe('budget_exceeded');
    const spent = dataOf(events.at(-1)).cost_usd!;
    expect(spent).toBeGreaterThan(0.2);
    expect(spent).toBeLessThanOrEqual(0.5);
    expect(upstream.refusals).toEqual([]);
  });

  it('item 36: of tool calls makes none of an answer that has too many, and answers them all', async () => {
    const calls = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => timeIn('UTC', `many_${id}`));
    upstream.answer({ sse: toolReply([], calls) });

    const events = await play();

    expect(failureOf(events).code).toBe('budget_exceeded');
    const results = events
      .filter(({ event }) => event === 'tool_result')
      .map((event) => dataOf(event).is_error);
    expect(results).toEqual([true, true, true, true, true, true]);
    expect(turns()).toHaveLength(1);
  });
});
