import { partsOf, type ModelUsage, type TokenCounts } from './model-usage.js';

/** Micro-USD for a million tokens, so 4 USD are 4,000,000: whole numbers, of which sums are exact. */
interface Price {
  input: bigint;
  output: bigint;
  /** Writing to the 5-minute cache. */
  cacheWrite: bigint;
  /** Writing to the 1-hour cache. */
  cacheWriteHour: bigint;
  cacheRead: bigint;
}

interface PriceRow extends Price {
  /** Exact ids: a price is never guessed from a prefix. */
  models: string[];
  /** First moment of the price, and the first after it (RFC 3339, UTC). */
  from?: string;
  to?: string;
  /** The price holds for prompts of more tokens than this. */
  above?: number;
}

/**
 * Source: Anthropic's list prices, `checked_at` 2026-11-23; they name no price of web searches and fetches.
 * Read elsewhere: cache reads of claude-fable-5-2.
 * Not confirmed: cache reads and 1-hour writes of claude-haiku-5-5 above 100,000 tokens.
 * Of the rows that name a model and hold, the last one counts.
 */
const ROWS: PriceRow[] = [
  row(['claude-fable-5-2', 'claude-mythos-5-2'], [8_000_000, 40_000_000, 10_000_000, 16_000_000, 200_000]),
  row(['claude-fable-5-1', 'claude-mythos-5-1'], [10_000_000, 50_000_000, 12_500_000, 20_000_000, 250_000]),
  row(['claude-opus-5-5'], [4_000_000, 20_000_000, 5_000_000, 8_000_000, 200_000]),
  row(['claude-opus-5'], [5_000_000, 25_000_000, 6_250_000, 10_000_000, 500_000]),
  row(['claude-sonnet-5-5'], [2_000_000, 10_000_000, 2_500_000, 4_000_000, 200_000], { to: '2026-10-07' }),
  row(['claude-sonnet-5-5'], [2_000_000, 10_000_000, 2_500_000, 4_000_000, 100_000], { from: '2026-10-07' }),
  row(['claude-sonnet-5'], [2_000_000, 10_000_000, 2_500_000, 4_000_000, 200_000]),
  row(['claude-haiku-5-5'], [100_000, 500_000, 125_000, 200_000, 10_000]),
  row(['claude-haiku-5-5'], [500_000, 2_500_000, 625_000, 1_000_000, 50_000], { above: 100_000 }),
  row(
    ['claude-opus-4-8', 'claude-opus-4-7', 'claude-opus-4-6'],
    [5_000_000, 25_000_000, 6_250_000, 10_000_000, 500_000],
  ),
  row(['claude-sonnet-4-6'], [3_000_000, 15_000_000, 3_750_000, 6_000_000, 300_000]),
  row(['claude-haiku-4-5'], [1_000_000, 5_000_000, 1_250_000, 2_000_000, 100_000]),
  row(['agentline-offline'], [0, 0, 0, 0, 0]),
];

/**
 * What one call of a model cost, in millionths of a USD. Null where a part of it has no known price: the model,
 * one that it handed over to (`iterations`), or a web search or fetch. Never a guess, and never 0 for unknown.
 * Takes the usage of a single call: some prices depend on the length of its prompt. Add the costs, not the tokens.
 * @param at when the call was made
 */
export function costMicroUsd(model: string, usage: ModelUsage, at: Date = new Date()): number | null {
  const { web_search_requests = 0, web_fetch_requests = 0 } = usage.server_tool_use ?? {};
  if (web_search_requests + web_fetch_requests > 0) return null;
  let millionths = 0n;
  for (const part of partsOf(model, usage)) {
    const price = priceOf(part.model, promptOf(part.counts), at);
    if (price === undefined) return null;
    millionths += costOf(part.counts, price);
  }
  return Number((millionths + 500_000n) / 1_000_000n);
}

/**
 * What a call costs at most, in millionths of a USD, rounded up: all of its prompt is written to the 5-minute
 * cache, and the answer is as long as it may be. Null for a model without a known price.
 * @param inputTokens the whole prompt, as what stands in the cache counts for the price, too
 */
export function worstCaseMicroUsd(
  model: string,
  inputTokens: number,
  outputTokens: number,
  at: Date = new Date(),
): number | null {
  const price = priceOf(model, inputTokens, at);
  if (price === undefined) return null;
  const dearest = price.cacheWrite > price.input ? price.cacheWrite : price.input;
  const millionths =
    BigInt(Math.ceil(inputTokens)) * dearest + BigInt(Math.ceil(outputTokens)) * price.output;
  return Number((millionths + 999_999n) / 1_000_000n);
}

function priceOf(model: string, prompt: number, at: Date): Price | undefined {
  return ROWS.findLast(
    ({ models, from, to, above = -1 }) =>
      models.includes(model) &&
      prompt > above &&
      (from === undefined || Date.parse(from) <= at.getTime()) &&
      (to === undefined || at.getTime() < Date.parse(to)),
  );
}

function promptOf(counts: TokenCounts): number {
  return counts.input_tokens + counts.cache_read_input_tokens + counts.cache_creation_input_tokens;
}

function costOf(counts: TokenCounts, price: Price): bigint {
  const hour = Math.min(
    counts.cache_creation?.ephemeral_1h_input_tokens ?? 0,
    counts.cache_creation_input_tokens,
  );
  return (
    BigInt(counts.input_tokens) * price.input +
    BigInt(counts.output_tokens) * price.output +
    BigInt(counts.cache_creation_input_tokens - hour) * price.cacheWrite +
    BigInt(hour) * price.cacheWriteHour +
    BigInt(counts.cache_read_input_tokens) * price.cacheRead
  );
}

function row(
  models: string[],
  [input, output, cacheWrite, cacheWriteHour, cacheRead]: [number, number, number, number, number],
  bounds: Pick<PriceRow, 'from' | 'to' | 'above'> = {},
): PriceRow {
  return {
    models,
    ...bounds,
    input: BigInt(input),
    output: BigInt(output),
    cacheWrite: BigInt(cacheWrite),
    cacheWriteHour: BigInt(cacheWriteHour),
    cacheRead: BigInt(cacheRead),
  };
}
