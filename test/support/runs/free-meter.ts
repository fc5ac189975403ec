import type { CallOutcome, RunMeter } from '../../../src/usage/run-meter.js';

/** A meter without budgets that keeps what was booked. */
export class FreeMeter implements RunMeter {
  readonly settled: CallOutcome[] = [];
  toolCalls = 0;

  async reserve({ maxTokens }: Parameters<RunMeter['reserve']>[0]) {
    return {
      maxTokens,
      settle: async (outcome: CallOutcome) => void this.settled.push(outcome),
    };
  }

  async countToolCalls(calls: number): Promise<void> {
    this.toolCalls += calls;
  }

  async settleLeft() {
    const tokens = {
      input_tokens: 0,
      output_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    };
    return { calls: 0, tokens, costMicroUsd: 0 };
  }
}
