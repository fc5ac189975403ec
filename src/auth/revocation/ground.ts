import type { Principal } from '../principal.js';

/** Something that credentials stand on, and end with: a login, an account, a key. */
export interface Ground {
  /** By what it is found; undefined: these credentials do not stand on it. */
  keyOf(principal: Principal): string | undefined;
  /**
   * Looks up what these are now, in one question.
   * @returns says of a principal with one of the keys whether its credentials have ended.
   */
  ask(keys: readonly string[]): Promise<(principal: Principal) => boolean>;
}

/** What is either alive or not, whoever stands on it. */
interface Living {
  /** Those of the ids that have not ended. */
  aliveAmong(ids: readonly string[]): Promise<string[]>;
}

/** The login session of a cookie. */
export function loginGround(logins: Living): Ground {
  return livingGround(logins, (principal) => principal.loginId ?? undefined);
}

/** The API key of a program. */
export function keyGround(keys: Living): Ground {
  return livingGround(keys, (principal) => principal.keyId);
}

function livingGround(living: Living, keyOf: Ground['keyOf']): Ground {
  const ask: Ground['ask'] = async (keys) => {
    const alive = new Set<string | undefined>(await living.aliveAmong(keys));
    return (principal) => !alive.has(keyOf(principal));
  };
  return { keyOf, ask };
}
