import { z } from 'zod';

/** Text that every store and every viewer can hold: no NUL, no half of a surrogate pair. */
export const plainText = z
  .string()
  .refine((text) => text.isWellFormed() && !text.includes('\u0000'), 'must be Unicode text without NUL');

/** Plain text of at most so many characters: code points, so no script and no emoji counts double. */
export function textUpTo(max: number) {
  return plainText
    .refine((text) => isWithin(text, max), `must be ${max} characters at most`)
    .meta({ maxLength: max });
}

/** Counts only where the length in UTF-16 does not decide already. */
function isWithin(text: string, max: number): boolean {
  return text.length <= max || (text.length <= 2 * max && Array.from(text).length <= max);
}

const line = textUpTo(200);
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_METADATA = 16_384;

/** Free JSON of the client's, 16 KiB at most; handed back as it came. */
export const metadata = z
  .record(z.string(), z.json())
  .refine((value) => Object.keys(value).every((key) => !FORBIDDEN_KEYS.has(key)), 'has a forbidden name')
  .refine(
    (value) => isWithin(JSON.stringify(value), MAX_METADATA),
    `must be ${MAX_METADATA} characters at most`,
  );

/** Which names there are, the registry of agents says. */
export const agentName = z.string().min(1).max(200);

export const modelId = z.string().regex(/^[\w.:@/-]{1,200}$/, 'must be a model id');

const fields = {
  title: line.nullable().optional(),
  model: modelId.nullable().optional(),
  system: textUpTo(100_000).nullable().optional(),
  metadata: metadata.optional(),
  agent: agentName.nullable().optional(),
};

export const createSession = z.strictObject(fields).meta({ id: 'CreateSession' });
export type CreateSession = z.output<typeof createSession>;

export const changeSession = z.strictObject(fields).meta({ id: 'ChangeSession' });
export type ChangeSession = z.output<typeof changeSession>;

/** Without a body or a message: all of it. */
export const forkSession = z
  .strictObject({ message_id: z.string().min(1).max(100).optional() })
  .optional()
  .meta({ id: 'ForkSession' });
export type ForkSession = z.output<typeof forkSession>;

/**
 * `limit` 1–100; `cursor` is the `next_cursor` of the page before; `shared`: those that others show; `q`: those with
 * these characters in their title.
 */
export const listSessions = z.object({
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .default(20)
    .describe('1 to 100; 20 when left out'),
  cursor: z.string().max(64).optional().describe('`next_cursor` of the page before'),
  shared: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .describe('true: those that others show'),
  q: line
    .refine((text) => text.trim() !== '', 'takes more than blanks')
    .optional()
    .describe('Those with these characters in their title, in capitals or not'),
});
export type ListSessions = z.output<typeof listSessions>;
