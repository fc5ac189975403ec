import type { Usage } from '../event-log/run-event.js';
import type { Cost } from './cost.js';

/** What a run has used so far, and what that cost. */
export interface Spent {
  usage: Usage;
  cost: Cost;
}

/** Tokens of one model call. */
type CallUsage = Omit<Usage, 'model_calls' | 'estimated'>;

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

/** Adds one call whose usage the model told. */
export function addCall(total: Usage, call: CallUsage): Usage {
  return {
    input_tokens: total.input_tokens + call.input_tokens,
    output_tokens: total.output_tokens + call.output_tokens,
    cache_read_input_tokens: total.cache_read_input_tokens + call.cache_read_input_tokens,
    cache_creation_input_tokens: total.cache_creation_input_tokens + call.cache_creation_input_tokens,
    model_calls: total.model_calls + 1,
    estimated: total.estimated,
  };
}

/** Adds a call that ended early: what it said at its start, and its output estimated from the text received. */
export function addBrokenCall(total: Usage, started: CallUsage | undefined, characters: number): Usage {
  if (started === undefined) return total;
  const output = Math.max(started.output_tokens, Math.ceil(characters / CHARACTERS_A_TOKEN));
  return { ...addCall(total, { ...started, output_tokens: output }), estimated: true };
}
