import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { RateLimit } from '../../src/model/model-notice.js';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { LoopStage } from '../support/anthropic/loop-stage.js';

let stage: LoopStage;

beforeEach(async () => {
  stage = await LoopStage.open({ apiKey: 'sk-very-secret' });
});
afterEach(() => stage.close());

const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
const soon = () => new AbortController().signal;

/** What the provider says of its models. */
function listing(...models: Record<string, unknown>[]): void {
  const data = models.map((model) => ({ type: 'model', ...model }));
  stage.upstream.documents.set('/v1/models', { data, has_more: false, first_id: null, last_id: null });
  for (const model of data)
    stage.upstream.documents.set(`/v1/models/${String((model as { id?: string }).id)}`, model);
}

describe('the operator hears', () => {
  it('item 4: at start of a model that the provider does not list', async () => {
    listing({ id: 'claude-sonnet-5-5', lifecycle: 'active' });

    const notices = await stage.model.check(soon());

    expect(notices).toMatchObject([
      { code: 'model_not_listed', message: expect.stringContaining('claude-opus-5-5') },
    ]);
  });

  it('item 50: at start of a model that is deprecated', async () => {
    listing({ id: 'claude-opus-5-5', lifecycle: 'deprecated' });

    const notices = await stage.model.check(soon());

    expect(notices).toMatchObject([
      { code: 'model_deprecated', message: expect.stringContaining('claude-opus-5-5') },
    ]);
  });

  it('item 50: at start of a model that ends within 60 days, and nothing of one that lives longer', async () => {
    listing({ id: 'claude-opus-5-5', lifecycle: 'active', retires_at: inDays(30) });
    const ending = await stage.model.check(soon());
    listing({ id: 'claude-opus-5-5', lifecycle: 'active', retires_at: inDays(300) });
    const living = await stage.model.check(soon());

    expect(ending).toMatchObject([{ code: 'model_retires' }]);
    expect(living).toEqual([]);
  });

  it('item 44: what is left of each limit of the key, as the last answer told', async () => {
    const told: RateLimit[] = [];
    stage.model.observe({ limits: (limits) => told.push(...limits) });
    stage.upstream.answer({
      sse: textReply(['Hi.']),
      headers: {
        'anthropic-ratelimit-input-tokens-limit': '100000',
        'anthropic-ratelimit-input-tokens-remaining': '99000',
        'anthropic-ratelimit-input-tokens-reset': '2026-11-25T12:00:00Z',
        'anthropic-ratelimit-requests-remaining': '7',
      },
    });

    await stage.say('go');

    const tokens = told.find(({ kind }) => kind === 'input_tokens')!;
    expect(tokens).toMatchObject({ limit: 100_000, remaining: 99_000 });
    // Counted by the clock of the provider, whose seconds are whole.
    expect(Math.abs(tokens.resetsAt! - Date.parse('2026-11-25T12:00:00Z'))).toBeLessThan(5000);
    expect(told).toContainEqual({ kind: 'requests', limit: null, remaining: 7, resetsAt: null });
  });

  it('item 45: nothing of the key or of what users say, also with ANTHROPIC_LOG=debug, and no trace goes out', async () => {
    const before = process.env['ANTHROPIC_LOG'];
    process.env['ANTHROPIC_LOG'] = 'debug';
    const printed: string[] = [];
    const methods = ['log', 'debug', 'info', 'warn', 'error'] as const;
    const originals = methods.map((name) => console[name]);
    for (const name of methods)
      console[name] = (...parts: unknown[]) => void printed.push(JSON.stringify(parts));
    try {
      const loud = await LoopStage.open({ apiKey: 'sk-very-secret' });
      loud.upstream.answer({ status: 400, error: { type: 'invalid_request_error', message: 'No' } });
      await loud.say('my diagnosis');
      expect(loud.upstream.calls[0]!.headers).not.toHaveProperty('traceparent');
      expect(loud.upstream.calls[0]!.headers.authorization).toBe('Bearer sk-very-secret');
      await loud.close();
    } finally {
      for (const [index, name] of methods.entries()) console[name] = originals[index]!;
      if (before === undefined) delete process.env['ANTHROPIC_LOG'];
      else process.env['ANTHROPIC_LOG'] = before;
    }
    expect(printed.filter((line) => /sk-very-secret|my diagnosis/.test(line))).toEqual([]);
  });
});
