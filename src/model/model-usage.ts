/** Tokens of one call, or of one part of it. `input_tokens` leaves out what was read from or written to the cache. */
export interface TokenCounts {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
  /** `cache_creation_input_tokens` by how long the entry lives; all of it five minutes when not told. */
  cache_creation?: { ephemeral_5m_input_tokens: number; ephemeral_1h_input_tokens: number };
}

/** A part of a call that is paid for itself: `message`, `compaction`, `advisor_message`, `fallback_message`. */
export interface UsageIteration extends TokenCounts {
  type: string;
  /** Null: the model that was called. */
  model: string | null;
}

/** Tokens of one model call, as the provider told them. `totalOf` has all of them, `partsOf` what is paid. */
export interface ModelUsage extends TokenCounts {
  /** The part of `output_tokens` that went into thinking. */
  thinking_tokens?: number;
  server_tool_use?: { web_search_requests: number; web_fetch_requests: number };
  /** Where told it is the whole: the counts beside it leave out compaction and advisors. */
  iterations?: UsageIteration[];
}

/** What is paid for a call of `model`: its iterations, each by its own model, or the call as a whole. */
export function partsOf(model: string, usage: ModelUsage): { model: string; counts: TokenCounts }[] {
  const { iterations = [] } = usage;
  if (iterations.length === 0) return [{ model, counts: usage }];
  const hasFallback = iterations.some(({ type }) => type === 'fallback_message');
  return iterations
    .filter((iteration) => !(hasFallback && isUnpaidRefusal(iteration)))
    .map((iteration) => ({ model: iteration.model ?? model, counts: iteration }));
}

/** All tokens of a call, with those of compaction, advisors and fallbacks. */
export function totalOf(usage: ModelUsage): Omit<TokenCounts, 'cache_creation'> {
  const total = {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 0,
  };
  for (const { counts } of partsOf('', usage)) {
    total.input_tokens += counts.input_tokens;
    total.output_tokens += counts.output_tokens;
    total.cache_read_input_tokens += counts.cache_read_input_tokens;
    total.cache_creation_input_tokens += counts.cache_creation_input_tokens;
  }
  return total;
}

/** The model that refused before a fallback answered: only what came out is paid. */
function isUnpaidRefusal({ type, output_tokens }: UsageIteration): boolean {
  return type === 'message' && output_tokens === 0;
}
