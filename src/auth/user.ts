import { z } from 'zod';
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

export const password = z.string().min(8).max(256);

/** Printable ASCII, as claims and columns carry it. */
export const tenantId = z.string().regex(/^[\x21-\x7e]{1,128}$/, 'Takes 1 to 128 printable ASCII characters');

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
