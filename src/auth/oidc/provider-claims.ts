import { z } from 'zod';
import { emailAddress, role, tenantId } from '../user.js';
import type { Role } from '../principal.js';

/** Whom the identity provider means, and what it says of them that counts here. */
export interface ProviderUser {
  issuer: string;
  subject: string;
  /** Null: none that could be an account's. */
  email: { address: string; isVerified: boolean | undefined } | null;
  /** Undefined: tenants are not the provider's matter; null: it should have named one, and did not. */
  tenantId: string | null | undefined;
  /** Undefined: roles are not the provider's matter. */
  roles: Role[] | undefined;
}

export interface ClaimNames {
  tenantClaim: string | undefined;
  rolesClaim: string | undefined;
}

export type Claims = Readonly<Record<string, unknown>>;

/** Claims that are looked for; the ID token has them, or the provider is asked (OpenID Connect Core §5.4). */
export function hasAllClaims(claims: Claims, names: ClaimNames): boolean {
  const needed = ['email', names.tenantClaim, names.rolesClaim];
  return needed.every((name) => name === undefined || claimAt(claims, name) !== undefined);
}

/** @param claims of the ID token, and what the provider told besides. */
export function providerUser(
  issuer: string,
  subject: string,
  claims: Claims,
  { tenantClaim, rolesClaim }: ClaimNames,
): ProviderUser {
  const address = emailAddress.safeParse(claims['email']).data;
  const isVerified = verified.safeParse(claims['email_verified']).data;
  return {
    issuer,
    subject,
    email: address === undefined ? null : { address, isVerified },
    tenantId: tenantClaim && (tenantId.safeParse(claimAt(claims, tenantClaim)).data ?? null),
    roles: rolesClaim === undefined ? undefined : rolesOf(claimAt(claims, rolesClaim)),
  };
}

/** Some providers write it as text. Whatever else it is says nothing. */
const verified = z.union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })]);

/** Names that are no roles here are left out; who has none of ours may look and nothing else. */
function rolesOf(claim: unknown): Role[] {
  const names: unknown[] =
    typeof claim === 'string' ? claim.split(/[ ,]+/) : Array.isArray(claim) ? claim : [];
  const known = names.flatMap((name) => role.safeParse(name).data ?? []);
  return known.length > 0 ? [...new Set(known)] : ['viewer'];
}

/** The claim of that name, which may hold dots itself; else the name is a path, as in `realm_access.roles`. */
function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name
    .split('.')
    .reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, part)
          ? (value as Claims)[part]
          : undefined,
      claims,
    );
}
