import { describe, expect, it } from '@jest/globals';
import { LanguageModel, type ModelEvent } from '../model/language-model.js';
import type { ModelObserver } from '../model/model-notice.js';
import { Metrics } from '../telemetry/metrics.js';
import type { SettledCall } from '../usage/budgeted-run.js';
import type { RunMeters } from '../usage/run-meters.service.js';
import { ModelWatch } from './model-watch.service.js';

class Observed extends LanguageModel {
  readonly defaultModel = 'observed';
  observer: ModelObserver = {};

  describe = () => 'observed';

  override observe(observer: ModelObserver): void {
    this.observer = observer;
  }

  stream(): AsyncIterable<ModelEvent> {
    throw new Error('not asked');
  }
}

const call: SettledCall = {
  kind: 'turn',
  model: 'observed',
  tokens: {
    input_tokens: 10,
    output_tokens: 20,
    cache_read_input_tokens: 30,
    cache_creation_input_tokens: 40,
  },
  estimated: false,
  costMicroUsd: 1_500_000,
  durationMs: 5,
};

describe('the watch over the model', () => {
  it('counts every call, its tokens by kind, its cost, and how much of the prompt came from the cache', async () => {
    const metrics = new Metrics();
    const listeners: ((settled: SettledCall) => void)[] = [];
    const meters = {
      onSettled: (listener: (typeof listeners)[0]) => listeners.push(listener),
    } as unknown as RunMeters;
    const model = new Observed();
    const watch = new ModelWatch(model, meters, metrics);
    watch.onModuleInit();
    listeners[0]?.(call);
    listeners[0]?.({ ...call, kind: 'title', costMicroUsd: null });
    model.observer.limits?.([{ kind: 'input_tokens', limit: 100, remaining: 7, resetsAt: null }]);

    expect((await metrics.text()).split('\n')).toEqual(
      expect.arrayContaining([
        'agentline_model_calls_total{kind="turn"} 1',
        'agentline_model_calls_total{kind="title"} 1',
        'agentline_tokens_total{kind="cache_read"} 60',
        'agentline_cost_usd_total 1.5',
        'agentline_prompt_cache_hit_ratio_bucket{le="0.25"} 0',
        'agentline_prompt_cache_hit_ratio_bucket{le="0.5"} 2',
        'agentline_rate_limit_remaining{kind="input_tokens"} 7',
      ]),
    );
  });
});
