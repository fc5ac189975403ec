import { describe, expect, it } from '@jest/globals';
import type { Dispatcher } from '../runs/dispatcher.service.js';
import { Metrics } from '../telemetry/metrics.js';
import { RunMetrics } from './run-metrics.service.js';

describe('the measures of runs', () => {
  it('count how runs ended, and how many are worked on now', async () => {
    const metrics = new Metrics();
    const runMetrics = new RunMetrics(metrics, { activeRuns: 3 } as Dispatcher);
    runMetrics.count({
      data: {
        status: 'completed',
        stop_reason: 'end_turn',
        usage: {
          input_tokens: 10,
          output_tokens: 20,
          cache_read_input_tokens: 30,
          cache_creation_input_tokens: 40,
          model_calls: 2,
          estimated: false,
        },
        cost_usd: null,
      },
    });

    const lines = (await metrics.text()).split('\n');

    expect(lines).toEqual(
      expect.arrayContaining([
        'agentline_runs_active 3',
        'agentline_runs_total{status="completed"} 1',
        'agentline_runs_total{status="failed"} 0',
      ]),
    );
  });
});
