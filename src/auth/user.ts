import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { UsersTable } from '../database/access-tables.js';
import type { Role } from './principal.js';

/** The tenant of everything that names none. */
export const DEFAULT_TENANT = 'default';

/** An account of this server. */
export interface User {
  id: string;
  tenantId: string;
  /** Null for who signs in without one: a program, or somebody whom an identity provider knows. */
  email: string | null;
  roles: Role[];
  disabled: boolean;
  kind: UserKind;
  /** Logins and access tokens of this server carry it; those with a lower one have ended. */
  tokenGeneration: number;
  /** Access tokens of others that were issued up to then have ended; milliseconds since 1970. */
  loginsEndedAt: number | null;
  createdAt: number;
}

/** A `service` is a program's account: nobody signs in to it; `deleted`: one that is no more. */
export type UserKind = 'person' | 'service' | 'deleted';

/** `local@host` without blanks and control characters, in lower case; what delivers mail is not our question. */
export const emailAddress = z
  .string()
  .max(254)
  .regex(/^[^\s@\p{C}]+@[^\s@\p{C}]+$/u, 'Takes an e-mail address')
  .toLowerCase();

/** What people call a key or a program of theirs: one line. */
export const givenName = z
  .string()
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]{1,100}$/u, 'Takes one line of 1 to 100 characters')
  .refine((text) => text.trim() !== '', 'Takes more than blanks');

export const password = z.string().min(8).max(256);

/** Printable ASCII, as claims and columns carry it. */
export const tenantId = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'Takes 1 to 128 printable ASCII characters');

/** Another tenant: for administrators of `default` only. */
export const tenantQuery = z.strictObject({ tenant_id: tenantId.optional() });
export type TenantQuery = z.output<typeof tenantQuery>;

export const role = z.enum(['admin', 'member', 'viewer']) satisfies z.ZodType<Role>;

export const roles = z.array(role).min(1).max(8);

/** A user as the API shows it. */
export const userView = z
  .object({ id: z.string(), email: z.string().nullable(), tenant_id: z.string(), roles: z.array(role) })
  .meta({ id: 'User' });
export type UserView = z.output<typeof userView>;

export function viewOf(user: Pick<User, 'id' | 'tenantId' | 'roles'> & { email: string | null }): UserView {
  return { id: user.id, email: user.email, tenant_id: user.tenantId, roles: user.roles };
}

/** What of the table `users` makes a `User`: all but the password. */
export const USER_COLUMNS = [
  'users.id',
  'users.tenant_id',
  'users.email',
  'users.roles_json',
  'users.disabled_at',
  'users.kind',
  'users.token_generation',
  'users.logins_ended_at',
  'users.created_at',
] as const;

type UserRow = Pick<
  Selectable<UsersTable>,
  (typeof USER_COLUMNS)[number] extends `users.${infer Column extends keyof UsersTable}` ? Column : never
>;

export function userOf(row: UserRow): User {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    email: row.email === row.id ? null : row.email,
    roles: JSON.parse(row.roles_json) as Role[],
    disabled: row.disabled_at !== null,
    kind: row.kind as UserKind,
    tokenGeneration: row.token_generation,
    loginsEndedAt: row.logins_ended_at,
    createdAt: row.created_at,
  };
}
