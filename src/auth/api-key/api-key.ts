import { z } from 'zod';
import { SCOPES } from '../permissions.js';
import type { Owner, Scope } from '../principal.js';
import { givenName, tenantId } from '../user.js';

/** Keys of one user that are neither ended nor expired. */
export const MAX_LIVE_KEYS = 50;

export const DEFAULT_SCOPES: readonly Scope[] = ['agent:read', 'agent:write'];

/** A key as stored: all but its secret. Times are milliseconds since 1970, by the database's clock. */
export interface ApiKey extends Owner {
  id: string;
  name: string;
  hint: string;
  scopes: Scope[];
  /** The user who made it: the owner, or for a service account an administrator. */
  createdBy: string;
  createdAt: number;
  /** Null: it does not expire. No route makes such a key. */
  expiresAt: number | null;
  /** Written once a minute at most. */
  lastUsedAt: number | null;
}

export const createKey = z
  .strictObject({
    name: givenName,
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .max(8)
      .optional()
      .describe(
        'What the key is for; read and write when not given. Never more than the roles of its user today',
      ),
    expires_in_days: z.int().min(1).max(366).default(90),
  })
  .meta({ id: 'CreateKey' });
export type CreateKey = z.output<typeof createKey>;

const page = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .default(100)
    .describe('1 to 100; 100 when left out'),
  cursor: z.string().max(64).optional().describe('`next_cursor` of the page before'),
};

/** `limit` 1–100; `cursor` is the `next_cursor` of the page before. */
export const listKeys = z.strictObject(page);
export type ListKeys = z.output<typeof listKeys>;

export const listAllKeys = z.strictObject({
  ...page,
  user_id: z.string().min(1).max(64).optional(),
  tenant_id: tenantId.optional(),
});
export type ListAllKeys = z.output<typeof listAllKeys>;
