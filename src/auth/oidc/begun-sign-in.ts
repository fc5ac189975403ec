import { hkdfSync } from 'node:crypto';
import { EncryptJWT, errors, jwtDecrypt } from 'jose';
import { z } from 'zod';

/** How long somebody may take at the identity provider. */
export const BEGUN_SECONDS = 600;

/** What a sign-in has to remember from its beginning to its callback. */
const begunSignIn = z.object({
  /** Returned by the provider with the answer (RFC 6749 §10.12). */
  state: z.string(),
  /** Returned in the ID token (OpenID Connect Core §3.1.2.1). */
  nonce: z.string(),
  /** Proof Key for Code Exchange (RFC 7636 §4.1). */
  verifier: z.string(),
  redirect_uri: z.string(),
  return_to: z.string(),
});
export type BegunSignIn = z.output<typeof begunSignIn>;

/**
 * Keeps that in the browser, encrypted (JWE, A256GCM): any node can read it, nobody else can read or make it, and
 * who only asks to sign in costs no row.
 */
export class BegunSignIns {
  private readonly keys: Uint8Array[];

  /** @param secrets the first encrypts; all decrypt. */
  constructor(secrets: readonly string[]) {
    this.keys = secrets.map((secret) => keyOf(secret));
  }

  seal(begun: BegunSignIn): Promise<string> {
    const [key] = this.keys;
    if (key === undefined) throw new Error('There is no secret to encrypt with');
    return new EncryptJWT(begun)
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setExpirationTime(`${BEGUN_SECONDS} s`)
      .encrypt(key);
  }

  /** Undefined for what was not made here, was changed, or is over. */
  async open(sealed: string): Promise<BegunSignIn | undefined> {
    for (const key of this.keys) {
      const payload = await decrypt(sealed, key);
      if (payload !== undefined) return begunSignIn.safeParse(payload).data;
    }
    return undefined;
  }
}

async function decrypt(sealed: string, key: Uint8Array): Promise<unknown> {
  try {
    const { payload } = await jwtDecrypt(sealed, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
      requiredClaims: ['exp'],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/** A key of its own for this purpose (RFC 5869): the secret itself signs cookies. */
function keyOf(secret: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, '', 'agentline sign-in with an identity provider', 32));
}
