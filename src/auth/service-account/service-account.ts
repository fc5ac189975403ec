import { z } from 'zod';
import type { Role } from '../principal.js';
import { givenName, role, roles, tenantId } from '../user.js';

/** An account for a program: nobody signs in to it, keys stand for it. */
export interface ServiceAccount {
  id: string;
  tenantId: string;
  name: string;
  roles: Role[];
  disabled: boolean;
  /** Milliseconds since 1970, by the database's clock. */
  createdAt: number;
}

export const createServiceAccount = z
  .strictObject({
    name: givenName,
    roles: roles.optional().describe('Member when not given'),
    tenant_id: tenantId.optional().describe('Another tenant: administrators of `default` only'),
  })
  .meta({ id: 'CreateServiceAccount' });
export type CreateServiceAccount = z.output<typeof createServiceAccount>;

/** `limit` 1–100; `cursor` is the `next_cursor` of the page before. */
export const listServiceAccounts = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .default(100)
    .describe('1 to 100; 100 when left out'),
  cursor: z.string().max(64).optional().describe('`next_cursor` of the page before'),
  tenant_id: tenantId.optional(),
});
export type ListServiceAccounts = z.output<typeof listServiceAccounts>;

export const serviceAccountView = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.null(),
    tenant_id: z.string(),
    roles: z.array(role),
    disabled: z.boolean(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'ServiceAccount' });
export type ServiceAccountView = z.output<typeof serviceAccountView>;

export const serviceAccountList = z
  .object({ data: z.array(serviceAccountView), next_cursor: z.string().nullable() })
  .meta({ id: 'ServiceAccountList' });
export type ServiceAccountList = z.output<typeof serviceAccountList>;

export function viewServiceAccount(account: ServiceAccount): ServiceAccountView {
  return {
    id: account.id,
    name: account.name,
    email: null,
    tenant_id: account.tenantId,
    roles: account.roles,
    disabled: account.disabled,
    created_at: new Date(account.createdAt).toISOString(),
  };
}
