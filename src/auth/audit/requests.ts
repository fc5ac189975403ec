import { z } from 'zod';
import type { AuditPlace } from '../../audit/audit.repository.js';
import { tenantId } from '../user.js';

const CURSOR = /^(\d{1,16})\.(aud_[0-7][0-9a-hjkmnp-tv-z]{25})$/;
const LIMIT = 50;
const MOST = 200;

const time = z.iso
  .datetime({ offset: true, error: 'Takes an instant (RFC 3339)' })
  .transform((text) => Date.parse(text));
const word = z.string().min(1).max(128);

const cursor = z
  .string()
  .regex(CURSOR, 'Takes the `next_cursor` of the page before')
  .transform((text): AuditPlace => {
    const [, at = '', id = ''] = CURSOR.exec(text) ?? [];
    return { at: Number(at), id };
  });

const span = {
  from: time.optional().describe('Inclusive'),
  to: time.optional().describe('Exclusive'),
  tenant_id: tenantId.optional().describe('Another tenant: administrators of `default` only'),
};

/** Everything that is named must fit: ids and words exactly. */
export const listAudit = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `Takes a number from 1 to ${MOST}`)
    .transform(Number)
    .pipe(z.int().min(1).max(MOST))
    .default(LIMIT)
    .describe(`1 to ${MOST}; ${LIMIT} when left out`),
  cursor: cursor.optional(),
  actor_id: word.optional(),
  action: word.optional(),
  outcome: z.enum(['allowed', 'refused', 'failed']).optional(),
  target: word.optional(),
  ...span,
});
export type ListAudit = z.output<typeof listAudit>;

export const exportAudit = z.strictObject(span);
export type ExportAudit = z.output<typeof exportAudit>;

export function cursorOf({ at, id }: AuditPlace): string {
  return `${at}.${id}`;
}
