import { describe, expect, it } from '@jest/globals';
import { Metrics } from './metrics.js';

describe('metrics', () => {
  it('shows what was counted, and what was not yet as 0', async () => {
    const metrics = new Metrics();
    metrics.streamsOpen.inc({ transport: 'sse' });
    metrics.runsTotal.inc({ status: 'failed' });
    metrics.tokensTotal.inc({ kind: 'output' }, 42);
    metrics.logAppendSeconds.observe(0.002);
    const lines = (await metrics.text()).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'agentline_streams_open{transport="sse"} 1',
        'agentline_streams_open{transport="websocket"} 0',
        'agentline_runs_active 0',
        'agentline_runs_total{status="completed"} 0',
        'agentline_runs_total{status="failed"} 1',
        'agentline_tokens_total{kind="output"} 42',
        'agentline_log_append_seconds_bucket{le="0.001"} 0',
        'agentline_log_append_seconds_bucket{le="0.0025"} 1',
        'agentline_heartbeats_total 0',
      ]),
    );
  });

  it('includes the process, once, and belongs to one application', async () => {
    const [first, second] = [new Metrics(), new Metrics()];
    first.heartbeatsTotal.inc();
    const text = await second.text();
    expect(text).toContain('agentline_heartbeats_total 0');
    expect(text.match(/^process_cpu_seconds_total /gm)).toHaveLength(1);
    expect(text.match(/^nodejs_eventloop_lag_seconds /gm)).toHaveLength(1);
  });
});
