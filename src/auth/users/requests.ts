import { z } from 'zod';
import { emailAddress, password, roles, tenantId } from '../user.js';

export const createUserRequest = z
  .strictObject({
    email: emailAddress,
    password,
    roles: roles.optional(),
    tenant_id: tenantId.optional().describe('Another tenant: administrators of `default` only'),
  })
  .meta({ id: 'CreateUserRequest' });
export type CreateUser = z.output<typeof createUserRequest>;

export const changeUserRequest = z
  .strictObject({ disabled: z.boolean().optional(), roles: roles.optional() })
  .meta({ id: 'ChangeUserRequest' });
export type ChangeUser = z.output<typeof changeUserRequest>;

/** `limit` 1–100; `cursor` is the `next_cursor` of the page before. */
export const listUsers = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .default(20)
    .describe('1 to 100; 20 when left out'),
  cursor: z.string().max(64).optional().describe('`next_cursor` of the page before'),
  tenant_id: tenantId.optional(),
});
export type ListUsers = z.output<typeof listUsers>;
