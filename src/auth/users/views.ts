import { z } from 'zod';
import { role, type User, viewOf } from '../user.js';

/** A user as administrators see it. */
export const accountView = z
  .object({
    id: z.string(),
    email: z.string().nullable(),
    tenant_id: z.string(),
    roles: z.array(role),
    kind: z.enum(['person', 'service']),
    disabled: z.boolean(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Account' });
export type AccountView = z.output<typeof accountView>;

export const accountList = z
  .object({ data: z.array(accountView), next_cursor: z.string().nullable() })
  .meta({ id: 'AccountList' });
export type AccountList = z.output<typeof accountList>;

export function viewAccount(user: User): AccountView {
  return {
    ...viewOf(user),
    kind: user.kind === 'person' ? 'person' : 'service',
    disabled: user.disabled,
    created_at: new Date(user.createdAt).toISOString(),
  };
}
