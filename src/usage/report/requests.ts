import { z } from 'zod';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;

/** What usage can be told by. */
export const USAGE_PARTS = ['day', 'model', 'user', 'kind'] as const;
export type UsagePart = (typeof USAGE_PARTS)[number];

const day = z.iso.date();
const instant = z.iso.datetime({ offset: true });
const time = z
  .string()
  .refine(
    (text) => day.safeParse(text).success || instant.safeParse(text).success,
    'must be a date or an instant (RFC 3339)',
  );

/**
 * `from` inclusive, `to` exclusive; a date stands for its whole day in UTC, as `to` too.
 * `group_by`: a comma list of `day`, `model`, `user`, `kind`.
 */
export const usageQuery = z
  .strictObject({
    from: time.optional().describe('Inclusive; a date or an instant. 30 days before `to` when left out'),
    to: time.optional().describe('Exclusive; a date stands for its whole day. Now when left out'),
    group_by: z
      .string()
      .refine(isListOfParts, `must be a comma list of ${USAGE_PARTS.join(', ')}, each once`)
      .default('day,model')
      .describe(`A comma list of ${USAGE_PARTS.join(', ')}`),
  })
  .transform(({ from, to, group_by }) => {
    const end = to === undefined ? Date.now() : Date.parse(to) + (isDay(to) ? DAY_MS : 0);
    return {
      from: from === undefined ? end - DEFAULT_DAYS * DAY_MS : Date.parse(from),
      to: end,
      by: group_by.split(',') as UsagePart[],
    };
  })
  .refine(({ from, to }) => from < to, { message: 'must be before `to`', path: ['from'] });

/** Times in milliseconds since 1970 UTC. */
export type UsageQuery = z.output<typeof usageQuery>;

function isDay(text: string): boolean {
  return day.safeParse(text).success;
}

function isListOfParts(text: string): boolean {
  const parts = text.split(',');
  return (
    new Set(parts).size === parts.length &&
    parts.every((part) => (USAGE_PARTS as readonly string[]).includes(part))
  );
}
