import type { ModelUsage } from './language-model.js';

/** Micro-USD for a million tokens, so 4 USD are 4,000,000: whole numbers, of which sums are exact. */
interface Price {
  input: bigint;
  output: bigint;
  /** Writing to the 5-minute cache. */
  cacheWrite: bigint;
  cacheRead: bigint;
}

interface PriceRow extends Price {
  /** Exact ids: a price is never guessed from a prefix. */
  models: string[];
  /** First day of the price (RFC 3339, UTC). */
  from?: string;
  /** The price holds for prompts of more tokens than this. */
  above?: number;
}

/**
 * Source: Anthropic's list prices, `checked_at` 2026-11-23. Read elsewhere: cache reads of claude-fable-5-2.
 * Not confirmed: the cache reads of claude-haiku-5-5 above 100,000 tokens.
 * Of the rows that name a model and hold, the last one counts.
 */
const ROWS: PriceRow[] = [
  row(['claude-fable-5-2', 'claude-mythos-5-2'], [8_000_000, 40_000_000, 10_000_000, 200_000]),
  row(['claude-fable-5-1', 'claude-mythos-5-1'], [10_000_000, 50_000_000, 12_500_000, 250_000]),
  row(['claude-opus-5-5'], [4_000_000, 20_000_000, 5_000_000, 200_000]),
  row(['claude-opus-5'], [5_000_000, 25_000_000, 6_250_000, 500_000]),
  row(['claude-sonnet-5-5'], [2_000_000, 10_000_000, 2_500_000, 200_000]),
  row(['claude-sonnet-5-5'], [2_000_000, 10_000_000, 2_500_000, 100_000], { from: '2026-10-07' }),
  row(['claude-sonnet-5'], [2_000_000, 10_000_000, 2_500_000, 200_000]),
  row(['claude-haiku-5-5'], [100_000, 500_000, 125_000, 10_000]),
  row(['claude-haiku-5-5'], [500_000, 2_500_000, 625_000, 50_000], { above: 100_000 }),
  row(['claude-opus-4-8', 'claude-opus-4-7', 'claude-opus-4-6'], [5_000_000, 25_000_000, 6_250_000, 500_000]),
  row(['claude-sonnet-4-6'], [3_000_000, 15_000_000, 3_750_000, 300_000]),
  row(['claude-haiku-4-5'], [1_000_000, 5_000_000, 1_250_000, 100_000]),
  row(['agentline-offline'], [0, 0, 0, 0]),
];

/**
 * What one call of a model cost, in millionths of a USD, or null for a model without a known price.
 * Takes the usage of a single call: some prices depend on the length of its prompt. Add the costs, not the tokens.
 * @param at when the call was made
 */
export function costMicroUsd(model: string, usage: ModelUsage, at: Date = new Date()): number | null {
  const prompt = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const price = ROWS.findLast(
    ({ models, from, above = -1 }) =>
      models.includes(model) && (from === undefined || Date.parse(from) <= at.getTime()) && prompt > above,
  );
  if (price === undefined) return null;
  const millionths =
    BigInt(usage.input_tokens) * price.input +
    BigInt(usage.output_tokens) * price.output +
    BigInt(usage.cache_creation_input_tokens) * price.cacheWrite +
    BigInt(usage.cache_read_input_tokens) * price.cacheRead;
  return Number((millionths + 500_000n) / 1_000_000n);
}

function row(
  models: string[],
  [input, output, cacheWrite, cacheRead]: [number, number, number, number],
  bounds: Pick<PriceRow, 'from' | 'above'> = {},
): PriceRow {
  return {
    models,
    ...bounds,
    input: BigInt(input),
    output: BigInt(output),
    cacheWrite: BigInt(cacheWrite),
    cacheRead: BigInt(cacheRead),
  };
}
