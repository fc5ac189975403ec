import type { Permission, Principal, Role, Scope } from './principal.js';

const OF_ROLE: Record<Role, readonly Permission[]> = {
  viewer: ['read'],
  member: ['read', 'write', 'decide'],
  admin: ['read', 'write', 'decide', 'admin'],
};

/** Every scope that there is, the least first. */
export const SCOPES = ['agent:read', 'agent:write', 'agent:decide', 'agent:admin'] as const satisfies Scope[];

/** Whether one of the principal's roles includes it, and the credentials are for it. */
export function may({ roles, scopes }: Pick<Principal, 'roles' | 'scopes'>, needed: Permission): boolean {
  const isInRole = roles.some((role) => OF_ROLE[role].includes(needed));
  return isInRole && (scopes === undefined || scopes.includes(`agent:${needed}`));
}
