import type { LimitSettings, LimitsPart } from './limits.config.js';

/** Whose limits hold. */
export interface Limited {
  tenantId: string;
  userId: string;
  /** The key that was used, where one was. */
  keyId?: string | null | undefined;
}

export type Measure = keyof LimitsPart;
export type Party = keyof LimitSettings;

/** One limit that holds: its name in the shared counters, and whose it is. */
export interface LimitScope {
  party: Party;
  scope: string;
  limit: number;
}

/** The limits that hold for somebody, always in the same order. Most often there is one. */
export function scopesOf(settings: LimitSettings, measure: Measure, who: Limited): LimitScope[] {
  const { tenantId, userId, keyId } = who;
  const scopes: LimitScope[] = [];
  const add = (party: Party, name: string) => {
    const limit = settings[party][measure];
    if (limit !== undefined) scopes.push({ party, scope: `${measure}:${party}:${name}`, limit });
  };
  // As JSON: the ids of other issuers may hold any separator.
  add('user', JSON.stringify([tenantId, userId]));
  if (keyId) add('key', keyId);
  add('tenant', tenantId);
  return scopes;
}
