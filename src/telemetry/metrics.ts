import cluster from 'node:cluster';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { metricsOfAll, offerMetrics } from './worker-metrics.js';

/** Seconds; a commit of the log takes from half a millisecond to, when it waits for locks, seconds. */
const APPEND_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

let processRegistry: Registry | undefined;

/** CPU, memory, event loop, garbage collector: one set for the process, however many applications are in it. */
function processMetrics(): Registry {
  if (!processRegistry) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/**
 * Everything that is counted, one field each; a new measure is a new field. Injected as itself.
 * Labels have few and fixed values: no id, no user, no text that comes from outside.
 */
export class Metrics {
  private readonly registry = new Registry();

  readonly streamsOpen = new Gauge({
    name: 'agentline_streams_open',
    help: 'Streams that viewers hold open now',
    labelNames: ['transport'] as const,
    registers: [this.registry],
  });

  readonly runsActive: Gauge = new Gauge({
    name: 'agentline_runs_active',
    help: 'Runs that this process works on now',
    registers: [this.registry],
    collect: () => this.runsActive.set(this.countActiveRuns()),
  });

  /** Asked when the measures are read. */
  countActiveRuns: () => number = () => 0;

  readonly runsTotal = new Counter({
    name: 'agentline_runs_total',
    help: 'Runs that ended in this process, by their final status',
    labelNames: ['status'] as const,
    registers: [this.registry],
  });

  readonly modelCallsTotal = new Counter({
    name: 'agentline_model_calls_total',
    help: 'Calls of models that this process made, by what for',
    labelNames: ['kind'] as const,
    registers: [this.registry],
  });

  readonly tokensTotal = new Counter({
    name: 'agentline_tokens_total',
    help: 'Tokens that the model reported, by kind',
    labelNames: ['kind'] as const,
    registers: [this.registry],
  });

  readonly costUsdTotal = new Counter({
    name: 'agentline_cost_usd_total',
    help: 'What calls of models cost, those of an unknown price left out',
    registers: [this.registry],
  });

  /** Of a prompt: what was read from the cache, over all of it. */
  readonly cacheHitRatio = new Histogram({
    name: 'agentline_prompt_cache_hit_ratio',
    help: 'Part of a prompt that the provider read from its cache, a call',
    buckets: [0, 0.25, 0.5, 0.75, 0.9, 1],
    registers: [this.registry],
  });

  readonly rateLimitRemaining = new Gauge({
    name: 'agentline_rate_limit_remaining',
    help: "What is left of the provider's limits, as its last answer told",
    labelNames: ['kind'] as const,
    registers: [this.registry],
  });

  readonly logAppendSeconds = new Histogram({
    name: 'agentline_log_append_seconds',
    help: 'Time that one commit of events to the log takes',
    buckets: APPEND_BUCKETS,
    registers: [this.registry],
  });

  readonly heartbeatsTotal = new Counter({
    name: 'agentline_heartbeats_total',
    help: 'Heartbeats sent to streams that were silent',
    registers: [this.registry],
  });

  readonly limitRefusalsTotal = new Counter({
    name: 'agentline_limit_refusals_total',
    help: 'Calls that a limit refused, by what was limited and whose limit it was',
    labelNames: ['limit', 'party'] as const,
    registers: [this.registry],
  });

  constructor() {
    if (cluster.isWorker) offerMetrics([processMetrics(), this.registry]);
    // A series that appears with its first count hides that count from `rate()`.
    for (const transport of ['sse', 'websocket']) this.streamsOpen.set({ transport }, 0);
    for (const status of ['completed', 'failed', 'cancelled']) this.runsTotal.inc({ status }, 0);
  }

  /** Of the text: Prometheus exposition format 0.0.4. */
  readonly contentType: string = Registry.PROMETHEUS_CONTENT_TYPE;

  /** All measures, with those of the process, or of all workers, as Prometheus reads them. */
  async text(): Promise<string> {
    if (cluster.isWorker) return metricsOfAll();
    const parts = await Promise.all([processMetrics().metrics(), this.registry.metrics()]);
    return parts.join('\n');
  }
}
