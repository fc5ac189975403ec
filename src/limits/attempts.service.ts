import { Inject, Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import { AppError } from '../errors/app-error.js';
import { LimitRepository } from './limit.repository.js';
import { limitsConfig, type LimitsConfig } from './limits.config.js';

const HOUR_MS = 3_600_000;
/** What one customer of a provider has of IPv6 (RFC 6177): the rest of an address costs nothing. */
const IPV6_NETWORK = 64;

/** Who tries to prove something, as far as they say. */
export interface Trier {
  /** What they say they are, whether that exists or not; not there: they do not say it to us. */
  account?: string | undefined;
  /** The client's address; behind trusted proxies what these say of it. */
  address: string | undefined;
}

/**
 * Bounds guessing: how often somebody may fail to prove who they are, in an hour, by account and by address (NIST SP
 * 800-63B §5.2.2, OWASP ASVS 5.0 V6.3.1). It counts what was tried, so the answer is the same for accounts that are
 * not there, and also for the right secret once the count is full. Stored, so that neither another node nor a restart
 * helps.
 */
@Injectable()
export class Attempts {
  /** What is being tried now, by account. */
  private readonly underWay = new Map<string, Set<Promise<unknown>>>();

  constructor(
    private readonly counters: LimitRepository,
    @Inject(limitsConfig.KEY) private readonly config: LimitsConfig,
  ) {}

  /**
   * Counts a try before it is made, so that a thousand at once are no more than one after the other. Success clears
   * the account's count. A try that could not be decided, because something else failed, does not count.
   * @param work the try; undefined, and an AppError below 500 but 429: it has failed.
   * @throws AppError `too_many_requests`, and what `work` throws.
   */
  async guard<T>({ account, address }: Trier, work: () => Promise<T>): Promise<T> {
    const { signInFailures } = this.config;
    const ofAddress = `failures:address:${networkOf(address)}`;
    const ofAccount = account === undefined ? undefined : `failures:account:${account.toLowerCase()}`;
    await this.count(ofAddress, signInFailures.address);
    try {
      if (ofAccount !== undefined) await this.countAfterOthers(ofAccount, signInFailures.account);
    } catch (error) {
      await this.counters.giveBack(ofAddress, 1);
      throw error;
    }
    const trying = this.decide([ofAddress, ofAccount], work);
    return ofAccount === undefined ? trying : this.remember(ofAccount, trying);
  }

  private async decide<T>(
    [ofAddress, ofAccount]: [string, string | undefined],
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      const proved = await work();
      if (proved === undefined) return proved;
      await this.counters.giveBack(ofAddress, 1);
      if (ofAccount !== undefined) await this.counters.forget(ofAccount);
      return proved;
    } catch (error) {
      if (!isRefusal(error)) {
        await this.counters.giveBack(ofAddress, 1);
        if (ofAccount !== undefined) await this.counters.giveBack(ofAccount, 1);
      }
      throw error;
    }
  }

  /** Where the count is full of tries that are not decided yet, these come first: they may be right. */
  private async countAfterOthers(scope: string, limit: number): Promise<void> {
    try {
      await this.count(scope, limit);
    } catch (error) {
      const others = this.underWay.get(scope);
      if (others === undefined) throw error;
      await Promise.allSettled(others);
      await this.count(scope, limit);
    }
  }

  private async count(scope: string, limit: number): Promise<void> {
    const ask = { scope, limit, windowMs: HOUR_MS, need: 1, share: 1 };
    const { granted, endsInMs } = await this.counters.take(ask);
    if (granted > 0) return;
    throw new AppError('too_many_requests', 'Too many sign-ins have failed: wait, then try again.', {
      retryAfter: Math.max(1, Math.ceil(endsInMs / 1_000)),
    });
  }

  private async remember<T>(scope: string, trying: Promise<T>): Promise<T> {
    const all = this.underWay.get(scope) ?? new Set();
    this.underWay.set(scope, all.add(trying));
    try {
      return await trying;
    } finally {
      all.delete(trying);
      if (all.size === 0) this.underWay.delete(scope);
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.status < 500 && error.status !== 429;
}

/** IPv4 addresses one by one, whichever way they are written; of IPv6 the network of one customer. */
function networkOf(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return ipaddr.IPv6.networkAddressFromCIDR(
    `${parsed.toNormalizedString().split('%')[0]}/${IPV6_NETWORK}`,
  ).toString();
}
