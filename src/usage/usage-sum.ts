import type { Usage } from '../event-log/run-event.js';
import { addCost, type Cost } from './cost.js';

/** What a run has used so far, and what that cost. */
export interface Spent {
  usage: Usage;
  cost: Cost;
}

/** Tokens of one model call. */
export type CallUsage = Omit<Usage, 'model_calls' | 'estimated'>;

/** One call as it is counted. `estimated`: it ended before it was told what it used. */
export interface CountedCall {
  usage: CallUsage;
  estimated: boolean;
  /** Null: the price is not known. */
  costMicroUsd: number | null;
}

/** Rough length of a token in characters of English text, for calls whose usage was never told. */
const CHARACTERS_A_TOKEN = 4;

export const NO_USAGE: Usage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  model_calls: 0,
  estimated: false,
};

export function addCall({ usage, cost }: Spent, call: CountedCall): Spent {
  return {
    usage: {
      input_tokens: usage.input_tokens + call.usage.input_tokens,
      output_tokens: usage.output_tokens + call.usage.output_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens + call.usage.cache_read_input_tokens,
      cache_creation_input_tokens: usage.cache_creation_input_tokens + call.usage.cache_creation_input_tokens,
      model_calls: usage.model_calls + 1,
      estimated: usage.estimated || call.estimated,
    },
    cost: addCost(cost, call.costMicroUsd),
  };
}

/** What a call that ended early is taken to have used: what it said at its start, and the text received. */
export function estimateCall<U extends CallUsage>(started: U, characters: number): U {
  const output = Math.max(started.output_tokens, Math.ceil(characters / CHARACTERS_A_TOKEN));
  return { ...started, output_tokens: output };
}

/** What the calls of a run used beyond what it has counted; a guess that turned out too high is not taken back. */
export function beyond(
  calls: readonly { tokens: CallUsage; costMicroUsd: number | null }[],
  { usage, cost }: Spent,
): { calls: number; tokens: CallUsage; costMicroUsd: number | null } {
  const rest = (count: (call: (typeof calls)[number]) => number, counted: number): number =>
    Math.max(0, calls.reduce((sum, call) => sum + count(call), 0) - counted);
  const tokens = {
    input_tokens: rest((call) => call.tokens.input_tokens, usage.input_tokens),
    output_tokens: rest((call) => call.tokens.output_tokens, usage.output_tokens),
    cache_read_input_tokens: rest(
      (call) => call.tokens.cache_read_input_tokens,
      usage.cache_read_input_tokens,
    ),
    cache_creation_input_tokens: rest(
      (call) => call.tokens.cache_creation_input_tokens,
      usage.cache_creation_input_tokens,
    ),
  };
  const isKnown = calls.every(({ costMicroUsd }) => costMicroUsd !== null);
  return {
    calls: Math.max(0, calls.length - usage.model_calls),
    tokens,
    costMicroUsd: isKnown ? rest((call) => call.costMicroUsd ?? 0, cost.microUsd) : null,
  };
}
