import { type CryptoKey, errors, jwtVerify, type JWTVerifyOptions, type JWTVerifyResult } from 'jose';

/**
 * Checks a token with each key until one has signed it: keys with one id, or a secret and the one before it.
 * @throws errors of jose; a token that none has signed is one with a wrong signature.
 */
export async function verifyWithOneOf(
  keys: readonly (CryptoKey | Uint8Array)[],
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  for (const key of keys) {
    try {
      return await jwtVerify(token, key, options);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}
