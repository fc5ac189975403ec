import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type DynamicModule, Injectable, type Type } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../../src/database/database.js';
import { Tool } from '../../src/tools/tool.decorator.js';
import type { ToolContext } from '../../src/tools/tool.js';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { StrictUpstream } from '../support/anthropic/strict-upstream.js';
import { Api } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { dataOf, faultsOf } from '../support/event-list.js';
import { upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';

const AGENTS = 50;
const LIMIT_USD = 1;
/** Of one sub-agent's call: 0.012 USD at 4 and 20 USD for a million tokens. */
const USED = {
  input_tokens: 500,
  output_tokens: 500,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};

let database: Database;

@Injectable()
class FanOut {
  constructor(stores: Database) {
    database = stores;
  }

  @Tool({
    name: 'fan_out',
    description: 'Has many agents work at once.',
    input: z.strictObject({ agents: z.int() }),
    timeoutMs: 60_000,
  })
  async go({ agents }: { agents: number }, { startAgent }: ToolContext): Promise<string[]> {
    const parts = Array.from({ length: agents }, (_, n) =>
      startAgent({ prompt: `part ${n}`, agent: 'explore', key: String(n) }),
    );
    return (await Promise.all(parts)).map(({ status }) => status);
  }
}

class Around {
  static of(application: Type): DynamicModule {
    return { module: Around, imports: [application], providers: [FanOut] };
  }
}

let upstream: StrictUpstream;
let app: RunningApp;

beforeAll(async () => {
  upstream = await StrictUpstream.start();
  app = await startApp(
    {
      ...upstreamEnv(upstream.url),
      BUDGETS: JSON.stringify({ run: { usd: LIMIT_USD } }),
      // At worst 0.1 USD a call: only some of the fifty fit at a time.
      MAX_TOKENS: '4000',
    },
    (application) => Around.of(application),
  );
});
afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

async function held(): Promise<{ all: number; reserved: number }> {
  const rows = await database.kysely.selectFrom('budgets').selectAll().execute();
  const reserved = rows.reduce((sum, row) => sum + row.micro_usd_reserved, 0) / 1e6;
  const spent = rows.reduce((sum, row) => sum + row.micro_usd_spent, 0) / 1e6;
  return { all: reserved + spent, reserved };
}

it('fifty sub-agents at once never hold or spend more than the budget of the run that started them', async () => {
  upstream.answer(({ body }) => {
    const text = JSON.stringify(body.messages);
    if (text.includes('part ')) return { sse: textReply(['Done.'], USED) };
    if (text.includes('tool_result')) return { sse: textReply(['All done.']) };
    return { sse: toolReply([], [{ id: 'toolu_all', name: 'fan_out', input: { agents: AGENTS } }]) };
  });
  const ada = await Api.as(app.url, 'ada');
  const reading = ada.read({}, { body: { content: 'go' } });
  const samples: number[] = [];
  const state = { isOver: false };
  void reading.finally(() => (state.isOver = true));
  while (!state.isOver) {
    samples.push((await held()).all);
    await new Promise(setImmediate);
  }
  const { events } = await reading;

  expect(faultsOf(events)).toEqual([]);
  expect(dataOf(events.find(({ event }) => event === 'tool_result')).result).toEqual(
    Array.from({ length: AGENTS }, () => 'completed'),
  );
  expect(Math.max(...samples)).toBeLessThanOrEqual(LIMIT_USD);
  // It was needed: all at once would have been more.
  expect(Math.max(...samples)).toBeGreaterThan(LIMIT_USD / 2);
  await until('all that was set aside to be given back', async () => (await held()).reserved === 0, 1_000);
  expect((await held()).all).toBeCloseTo(AGENTS * 0.012, 1);
  expect(upstream.refusals).toEqual([]);
});
