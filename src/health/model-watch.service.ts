import { Injectable, type OnModuleInit } from '@nestjs/common';
import { LanguageModel } from '../model/language-model.js';
import { Metrics } from '../telemetry/metrics.js';
import type { SettledCall } from '../usage/budgeted-run.js';
import { RunMeters } from '../usage/run-meters.service.js';

/** Measures of the model: what its calls use and cost, how well they are cached, what is left of its limits. */
@Injectable()
export class ModelWatch implements OnModuleInit {
  constructor(
    private readonly model: LanguageModel,
    private readonly meters: RunMeters,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.meters.onSettled((call) => this.count(call));
    this.model.observe({
      limits: (limits) => {
        for (const { kind, remaining } of limits) this.metrics.rateLimitRemaining.set({ kind }, remaining);
      },
    });
  }

  private count({ kind, tokens, costMicroUsd }: SettledCall): void {
    const { modelCallsTotal, tokensTotal, costUsdTotal, cacheHitRatio } = this.metrics;
    modelCallsTotal.inc({ kind });
    tokensTotal.inc({ kind: 'input' }, tokens.input_tokens);
    tokensTotal.inc({ kind: 'output' }, tokens.output_tokens);
    tokensTotal.inc({ kind: 'cache_read' }, tokens.cache_read_input_tokens);
    tokensTotal.inc({ kind: 'cache_creation' }, tokens.cache_creation_input_tokens);
    costUsdTotal.inc((costMicroUsd ?? 0) / 1_000_000);
    const prompt = tokens.input_tokens + tokens.cache_read_input_tokens + tokens.cache_creation_input_tokens;
    if (prompt > 0) cacheHitRatio.observe(tokens.cache_read_input_tokens / prompt);
  }
}
