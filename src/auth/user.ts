import { z } from 'zod';
import type { Role } from './principal.js';

/** The tenant of everything that names none. */
export const DEFAULT_TENANT = 'default';

/** An account of this server. */
export interface User {
  id: string;
  tenantId: string;
  email: string;
  roles: Role[];
  disabled: boolean;
}

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
export interface UserView {
  id: string;
  email: string | null;
  tenant_id: string;
  roles: Role[];
}

export function viewOf(user: Pick<User, 'id' | 'tenantId' | 'roles'> & { email: string | null }): UserView {
  return { id: user.id, email: user.email, tenant_id: user.tenantId, roles: user.roles };
}
