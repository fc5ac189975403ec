import { AppError } from '../errors/app-error.js';
import type { Permission, Principal, Role, Scope } from './principal.js';
import { DEFAULT_TENANT } from './user.js';

const OF_ROLE: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['read'],
  member: ['read', 'write', 'decide'],
  admin: ['read', 'write', 'decide', 'admin'],
};

/** Every permission that there is, the least first. */
export const PERMISSIONS = OF_ROLE.admin;

/** Every scope that there is, the least first. */
export const SCOPES = ['agent:read', 'agent:write', 'agent:decide', 'agent:admin'] as const satisfies Scope[];

/** Whether one of the principal's roles includes it, and the credentials are for it. */
export function may({ roles, scopes }: Pick<Principal, 'roles' | 'scopes'>, needed: Permission): boolean {
  const isInRole = roles.some((role) => permissionsOf(role).includes(needed));
  return isInRole && (scopes === undefined || scopes.includes(`agent:${needed}`));
}

/** A newer version on the same database may know more roles: here they are for nothing. */
function permissionsOf(role: Role): readonly Permission[] {
  return Object.hasOwn(OF_ROLE, role) ? OF_ROLE[role] : [];
}

/** The roles as far as the credentials go, for whoever asks for roles: an administrator's key may be a member's. */
export function rolesWithin(principal: Pick<Principal, 'roles' | 'scopes'>): Role[] {
  if (may(principal, 'admin')) return principal.roles;
  return [...new Set(principal.roles.map((role) => (role === 'admin' ? 'member' : role)))];
}

/**
 * The tenant that an administrator means: the own one, or the one that is named.
 * @throws AppError `forbidden` when it is another's, unless the administrator is of the tenant `default`
 */
export function administeredTenant(admin: Pick<Principal, 'tenantId'>, named: string | undefined): string {
  if (named === undefined || named === admin.tenantId) return admin.tenantId;
  if (admin.tenantId === DEFAULT_TENANT) return named;
  throw new AppError('forbidden', 'You administer your own tenant only.');
}

/**
 * For what is the user's alone, like the own keys and password: who holds a key, or a token for less than its user
 * may, must not make more of it.
 * @throws AppError `forbidden`
 */
export function refuseLimited({ keyId, scopes }: Pick<Principal, 'keyId' | 'scopes'>): void {
  if (keyId === undefined && scopes === undefined) return;
  throw new AppError('forbidden', 'This is for the user, signed in; not for a key, nor for a limited token.');
}
