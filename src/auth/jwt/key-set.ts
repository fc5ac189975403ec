import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JWTHeaderParameters,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from 'jose';
import { AppError } from '../../errors/app-error.js';
import { boundedFetch } from './bounded-fetch.js';
import { verifyWithOneOf } from './verify-with-one-of.js';

/** A key that the owner has taken away is refused from then on. */
const FRESH_MS = 60_000;
/** How long known keys are used while their owner does not answer. */
const KEPT_MS = 10 * 60_000;
/** A flood of unknown key ids makes the set be fetched so many times at once, then once in this time. */
const LOOKS = 3;
const LOOK_EVERY_MS = 1_000;
/** Keys with the same id, or without one, of which each is tried. */
const MAX_CANDIDATES = 8;

type Keys = ReturnType<typeof createLocalJWKSet>;
type Fetch = (url: string) => Promise<Response>;

/**
 * The public keys at one address (RFC 7517 §5), which may change at any time: a new one counts at once, one that is
 * gone counts no more after a minute. One fetch at a time, however many ask.
 */
export class KeySet {
  private keys: Keys | undefined;
  private fetchedAt = -Infinity;
  private isAway = false;
  private pending: Promise<void> | undefined;
  private looks = LOOKS;
  private looksSince = -Infinity;

  constructor(
    private readonly address: URL,
    private readonly fetchSet: Fetch = boundedFetch,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * The payload of a token that one of the keys has signed.
   * @param options name the algorithms; everything that is not public-key is refused.
   * @throws errors of jose for a token that is not valid, AppError `unavailable` when the keys are not known.
   */
  async verify(
    token: string,
    header: JWTHeaderParameters,
    options: JWTVerifyOptions,
  ): Promise<JWTVerifyResult> {
    return verifyWithOneOf(await this.find(header), token, options);
  }

  private async find(header: JWTHeaderParameters): Promise<CryptoKey[]> {
    await this.ensure();
    const found = await this.match(header);
    if (found.length > 0) return found;
    // Who joins a fetch that was begun before may come with a key that is newer.
    const joined = this.pending;
    if (joined !== undefined) {
      await this.settled(joined);
      const after = await this.match(header);
      if (after.length > 0) return after;
    }
    if (this.mayLook()) await this.refresh();
    else if (this.isAway) throw unavailable();
    return this.match(header);
  }

  /** Keys that are fresh enough, or those that were known while their owner does not answer. */
  private async ensure(): Promise<void> {
    const age = this.now() - this.fetchedAt;
    if (age < FRESH_MS) return;
    const isUsable = age < KEPT_MS;
    if (isUsable && this.isAway) {
      // Nobody waits for who did not answer last time.
      if (this.pending === undefined && this.mayLook()) void this.settled(this.refresh());
      return;
    }
    if (this.pending === undefined && !this.mayLook()) {
      if (isUsable) return;
      throw unavailable();
    }
    const outcome = await this.settled(this.pending ?? this.refresh());
    if (outcome !== undefined && !isUsable) throw outcome;
  }

  private async match(header: JWTHeaderParameters): Promise<CryptoKey[]> {
    if (this.keys === undefined) throw unavailable();
    try {
      return [await this.keys(header)];
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return [];
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      const candidates: CryptoKey[] = [];
      for await (const key of error) if (candidates.push(key) === MAX_CANDIDATES) break;
      return candidates;
    }
  }

  private refresh(): Promise<void> {
    this.pending ??= this.fetch().finally(() => (this.pending = undefined));
    return this.pending;
  }

  private async fetch(): Promise<void> {
    try {
      const response = await this.fetchSet(this.address.href);
      if (response.status !== 200) throw new Error(`The key set answers with status ${response.status}.`);
      this.keys = createLocalJWKSet((await response.json()) as Parameters<typeof createLocalJWKSet>[0]);
      this.fetchedAt = this.now();
      this.isAway = false;
    } catch (cause) {
      this.isAway = true;
      throw unavailable(cause);
    }
  }

  /** The error with which the fetch ended, if it did. */
  private async settled(fetch: Promise<void>): Promise<unknown> {
    try {
      await fetch;
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** A bucket of looks that fills again with time. */
  private mayLook(): boolean {
    const now = this.now();
    const gained = Math.floor((now - this.looksSince) / LOOK_EVERY_MS);
    if (gained > 0) {
      this.looks = Math.min(LOOKS, this.looks + gained);
      this.looksSince = now;
    }
    if (this.looks === 0) return false;
    this.looks -= 1;
    return true;
  }
}

function unavailable(cause?: unknown): AppError {
  return new AppError('unavailable', 'The keys for access tokens cannot be fetched. Try again.', {
    cause,
    retryAfter: 5,
  });
}
