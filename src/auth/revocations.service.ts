import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { AppError } from '../errors/app-error.js';
import { ApiKeyRepository } from './api-key/api-key.repository.js';
import type { Principal } from './principal.js';
import { keyGround, loginGround } from './revocation/ground.js';
import { nextOrder, type Watched, Watchers } from './revocation/watchers.js';
import { LoginRepository } from './session/login.repository.js';
import type { User } from './user.js';
import { hasLost } from './users/standing.js';
import { UserRepository } from './users/user.repository.js';

const SWEEP_MS = 2000;
/** Tokens live this long past their end: clocks differ, and a token accepted in its last second is not a mistake. */
const GRACE_MS = 2000;

/** A principal that is being watched. */
export interface Watch {
  /** Aborted when the principal's credentials have ended, within 5 s; its reason is an AppError `unauthenticated`. */
  readonly signal: AbortSignal;
  /** To be called when nobody needs the answer any more. */
  stop(): void;
}

/**
 * Tells open streams and sockets when the credentials that opened them end, or are good for less than then: by
 * logout, by an administrator, by time. Within this process at once; what other nodes did is asked of the database
 * every two seconds, one row for each login, user and key however many streams they have.
 */
@Injectable()
export class Revocations implements OnApplicationShutdown {
  private readonly logger = new Logger(Revocations.name);
  private readonly byLogin: Watchers;
  private readonly byUser: Watchers;
  private readonly byKey: Watchers;
  private readonly watched = new Set<Watched>();
  private timer: NodeJS.Timeout | undefined;
  private isAsking = false;
  /** No credentials that are watched end before, in milliseconds since 1970. */
  private soonest = Infinity;

  constructor(
    private readonly logins: LoginRepository,
    private readonly users: UserRepository,
    keys: ApiKeyRepository,
  ) {
    this.byLogin = new Watchers(loginGround(logins));
    this.byKey = new Watchers(keyGround(keys));
    this.byUser = new Watchers({
      keyOf: (principal) => principal.userId,
      ask: async (ids) => {
        const accounts = await users.findAmong(ids);
        return (principal) => hasLost(principal, accounts.get(principal.userId));
      },
    });
  }

  watch(principal: Principal): Watch {
    const controller = new AbortController();
    const stop = this.onEnd(principal, (reason) => controller.abort(reason));
    return { signal: controller.signal, stop };
  }

  /**
   * The same for who keeps thousands: a signal of its own for each costs half a kilobyte.
   * @param end called at most once, within 5 s after the credentials have ended; must not throw.
   * @returns to be called when nobody needs the answer any more.
   */
  onEnd(principal: Principal, end: (reason: AppError) => void): () => void {
    const entry: Watched = { principal, order: nextOrder(), end };
    this.soonest = Math.min(this.soonest, principal.expiresAt ?? Infinity);
    this.watched.add(entry);
    for (const watchers of this.all()) watchers.add(entry);
    this.timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    return () => this.forget(entry);
  }

  /** The login is over, its row deleted. */
  endLogin(loginId: string): void {
    this.end(this.byLogin.of(loginId));
  }

  /** The API key was revoked, and is stored so. */
  endKey(keyId: string): void {
    this.end(this.byKey.of(keyId));
  }

  /** Nothing of the user stays open in this process; what is stored says the same to the other nodes. */
  endUser(userId: string): void {
    this.end(this.byUser.of(userId));
  }

  /** The account was changed, and is stored so: ends what it does not bear any more. */
  endWhatIsLost(user: User): void {
    this.end(this.byUser.of(user.id).filter(({ principal }) => hasLost(principal, user)));
  }

  /** Ends every login and access token of the user, here and on all nodes. */
  async endLoginsOf(userId: string): Promise<void> {
    const user = await this.users.endLogins(userId);
    if (user !== undefined) await this.loginsEnded(user);
  }

  /** The account says already that its logins have ended: ends what stands on them, and takes them away. */
  async loginsEnded(user: User): Promise<void> {
    this.endWhatIsLost(user);
    for (const loginId of await this.logins.deleteOfUser(user.id)) this.endLogin(loginId);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private all(): Watchers[] {
    return [this.byLogin, this.byUser, this.byKey];
  }

  /** A database that does not answer must not hold back what the clock says, nor be asked twice at a time. */
  private sweep(): void {
    const latest = Date.now() - GRACE_MS;
    if (this.soonest <= latest) this.endExpired(latest);
    if (!this.isAsking) void this.ask();
  }

  private endExpired(latest: number): void {
    const isOver = ({ expiresAt }: Principal) => expiresAt !== null && expiresAt <= latest;
    this.end([...this.watched].filter(({ principal }) => isOver(principal)));
    const left = [...this.watched].map(({ principal }) => principal.expiresAt ?? Infinity);
    this.soonest = left.reduce((soonest, each) => Math.min(soonest, each), Infinity);
  }

  private async ask(): Promise<void> {
    this.isAsking = true;
    let failure: unknown;
    for (const watchers of this.all()) {
      try {
        for await (const ended of watchers.ended()) this.end(ended);
      } catch (error) {
        failure = error;
      }
    }
    this.isAsking = false;
    if (failure === undefined) return;
    this.logger.warn({ err: failure }, 'Ended credentials could not all be looked up; trying again');
  }

  private end(entries: readonly Watched[]): void {
    for (const entry of entries) {
      if (!this.watched.has(entry)) continue;
      this.forget(entry);
      entry.end(new AppError('unauthenticated', 'The credentials have ended. Sign in again.'));
    }
  }

  private forget(entry: Watched): void {
    this.watched.delete(entry);
    for (const watchers of this.all()) watchers.delete(entry);
    if (this.watched.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
