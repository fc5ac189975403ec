import { z } from 'zod';
import { SCOPES } from '../permissions.js';
import type { ApiKey } from './api-key.js';

const fields = {
  id: z.string(),
  name: z.string(),
  hint: z.string().describe('The last characters of the key'),
  scopes: z.array(z.enum(SCOPES)),
  expires_at: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
};

export const keyView = z
  .object({
    ...fields,
    user_id: z.string(),
    created_by: z.string(),
    last_used_at: z.iso.datetime().nullable().describe('Exact to a minute'),
  })
  .meta({ id: 'ApiKey' });
export type KeyView = z.output<typeof keyView>;

export const keyList = z
  .object({ data: z.array(keyView), next_cursor: z.string().nullable() })
  .meta({ id: 'ApiKeyList' });
export type KeyList = z.output<typeof keyList>;

/** The only answer that ever holds the key itself. */
export const newKeyView = z
  .object({ ...fields, key: z.string().describe('Shown now and never again') })
  .meta({ id: 'NewApiKey' });
export type NewKeyView = z.output<typeof newKeyView>;

export function viewKey(key: ApiKey): KeyView {
  return {
    ...viewFields(key),
    user_id: key.userId,
    created_by: key.createdBy,
    last_used_at: toTime(key.lastUsedAt),
  };
}

export function viewNewKey(key: ApiKey, text: string): NewKeyView {
  return { ...viewFields(key), key: text };
}

function viewFields(key: ApiKey) {
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    scopes: key.scopes,
    expires_at: toTime(key.expiresAt),
    created_at: new Date(key.createdAt).toISOString(),
  };
}

function toTime(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
