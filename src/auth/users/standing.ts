import { may, PERMISSIONS } from '../permissions.js';
import type { Principal } from '../principal.js';
import type { User } from '../user.js';

/**
 * The principal as its account has it now; undefined when the account bears it no more: disabled, deleted, or its
 * logins and tokens were ended after these credentials were given out. Who has no account in the tenant stays who
 * the identity provider says.
 */
export function standingOf(principal: Principal, account: User | undefined): Principal | undefined {
  if (account?.tenantId !== principal.tenantId) return principal;
  if (!isBorne(principal, account)) return undefined;
  return { ...principal, email: account.email, roles: account.roles };
}

/** Whether what is open for the principal must end: its account bears it no more, or lets it do less than then. */
export function hasLost(principal: Principal, account: User | undefined): boolean {
  if (account?.tenantId !== principal.tenantId) return false;
  if (!isBorne(principal, account)) return true;
  const { roles } = account;
  // Asked of every open stream, all the time: most roles have not changed.
  if (principal.roles.every((role) => roles.includes(role))) return false;
  const now = { roles, scopes: principal.scopes };
  return PERMISSIONS.some((each) => may(principal, each) && !may(now, each));
}

function isBorne({ token }: Principal, account: User): boolean {
  if (account.disabled || account.kind === 'deleted') return false;
  return token === undefined || isOfToday(token, account);
}

/** What carries no generation was signed elsewhere: then the time at which it was issued decides. */
function isOfToday({ generation, issuedAt }: NonNullable<Principal['token']>, account: User): boolean {
  if (generation !== undefined) return generation >= account.tokenGeneration;
  return account.loginsEndedAt === null || (issuedAt !== undefined && issuedAt > account.loginsEndedAt);
}
