import { z } from 'zod';
import type { UsageRow } from './usage-report.repository.js';
import type { UsageQuery } from './requests.js';

const DAY_MS = 86_400_000;

export const usageView = z
  .object({
    /** In UTC. */
    day: z.iso.date().optional(),
    model: z.string().optional(),
    user_id: z.string().optional(),
    /** `turn`, `compaction` or `title`. */
    kind: z.string().optional(),
    model_calls: z.int(),
    input_tokens: z.int(),
    output_tokens: z.int(),
    cache_read_input_tokens: z.int(),
    cache_creation_input_tokens: z.int(),
    estimated: z.boolean(),
    cost_usd: z.number().nullable(),
    known_cost_usd: z.number(),
    cache_hit_ratio: z.number().nullable(),
  })
  .meta({ id: 'UsagePart' });
export type UsageView = z.output<typeof usageView>;

export const usageReport = z
  .object({ data: z.array(usageView), from: z.iso.datetime(), to: z.iso.datetime() })
  .meta({ id: 'UsageReport' });
export type UsageReport = z.output<typeof usageReport>;

export function viewUsage(rows: UsageRow[], { from, to }: UsageQuery): UsageReport {
  const data = rows.map(viewRow).toSorted(byParts);
  return { data, from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

function viewRow({ day, model, user, kind, ...sums }: UsageRow): UsageView {
  const { input, output, cacheRead, cacheCreation } = sums;
  const prompt = input + cacheRead + cacheCreation;
  const known = sums.microUsd / 1_000_000;
  return {
    ...(day !== undefined && { day: new Date(day * DAY_MS).toISOString().slice(0, 10) }),
    ...(model !== undefined && { model }),
    ...(user !== undefined && { user_id: user }),
    ...(kind !== undefined && { kind }),
    model_calls: sums.calls,
    input_tokens: input,
    output_tokens: output,
    cache_read_input_tokens: cacheRead,
    cache_creation_input_tokens: cacheCreation,
    estimated: sums.estimated > 0,
    cost_usd: sums.withoutPrice > 0 ? null : known,
    known_cost_usd: known,
    cache_hit_ratio: prompt === 0 ? null : cacheRead / prompt,
  };
}

/** By code units: databases sort text each in their own way. */
function byParts(a: UsageView, b: UsageView): number {
  return (
    compare(a.day, b.day) ||
    compare(a.model, b.model) ||
    compare(a.user_id, b.user_id) ||
    compare(a.kind, b.kind)
  );
}

function compare(a = '', b = ''): number {
  return Number(a > b) - Number(a < b);
}
