import { cost, count, tokensIn } from '../page/format.js';

/**
 * What all runs of a conversation took: `3 runs · 12,345 tokens in · 678 out · $0.12`; empty for fewer than two.
 * @param {object[]} runs as the API tells them, without sub-agents
 */
export function totals(runs) {
  const told = runs.filter(({ usage }) => usage);
  if (told.length < 2) return '';
  const sum = (of) => told.reduce((total, run) => total + of(run), 0);
  const known = told.filter(({ cost_usd }) => typeof cost_usd === 'number');
  const price = known.length > 0 && cost(sum(({ cost_usd }) => cost_usd ?? 0));
  const more =
    known.length > 0 && known.length < told.length && `and ${told.length - known.length} of unknown price`;
  const about = told.some(({ usage }) => usage.estimated) ? 'about ' : '';
  return [
    `${count(told.length)} runs`,
    `${about}${count(sum(({ usage }) => tokensIn(usage)))} tokens in`,
    `${count(sum(({ usage }) => usage.output_tokens))} out`,
    price,
    more,
  ]
    .filter(Boolean)
    .join(' · ');
}
