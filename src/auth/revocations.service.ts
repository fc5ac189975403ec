import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { AppError } from '../errors/app-error.js';
import type { Principal } from './principal.js';
import { LoginRepository } from './session/login.repository.js';
import { UserRepository } from './users/user.repository.js';

const SWEEP_MS = 2000;
/** Tokens live this long past their end: clocks differ, and a token accepted in its last second is not a mistake. */
const GRACE_MS = 2000;
const CHUNK = 500;

/** A principal that is being watched. */
export interface Watch {
  /** Aborted when the principal's credentials have ended, within 5 s; its reason is an AppError `unauthenticated`. */
  readonly signal: AbortSignal;
  /** To be called when nobody needs the answer any more. */
  stop(): void;
}

interface Watched {
  readonly principal: Principal;
  readonly controller: AbortController;
}

/**
 * Tells open streams and sockets when the credentials that opened them end: by logout, by an administrator, by
 * time. Within this process at once; what other nodes did is asked of the database every two seconds, one row
 * for each login and user however many streams they have.
 */
@Injectable()
export class Revocations implements OnApplicationShutdown {
  private readonly logger = new Logger(Revocations.name);
  private readonly byLogin = new Index((principal) => principal.loginId);
  private readonly byUser = new Index((principal) => principal.userId);
  private readonly watched = new Set<Watched>();
  private timer: NodeJS.Timeout | undefined;
  private isAsking = false;

  constructor(
    private readonly logins: LoginRepository,
    private readonly users: UserRepository,
  ) {}

  watch(principal: Principal): Watch {
    const entry: Watched = { principal, controller: new AbortController() };
    this.watched.add(entry);
    this.byLogin.add(entry);
    this.byUser.add(entry);
    this.timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    return { signal: entry.controller.signal, stop: () => this.forget(entry) };
  }

  /** The login is over, its row deleted. */
  endLogin(loginId: string): void {
    this.end(this.byLogin.get(loginId));
  }

  /** Ends every login of the user, here and on all nodes. */
  async endLoginsOf(userId: string): Promise<void> {
    for (const loginId of await this.logins.deleteOfUser(userId)) this.endLogin(loginId);
  }

  /** The user was disabled. */
  endUser(userId: string): void {
    this.end(this.byUser.get(userId));
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** A database that does not answer must not hold back what the clock says, nor be asked twice at a time. */
  private sweep(): void {
    const latest = Date.now() - GRACE_MS;
    this.end(
      [...this.watched].filter(
        ({ principal }) => principal.expiresAt !== null && principal.expiresAt <= latest,
      ),
    );
    if (!this.isAsking) void this.ask();
  }

  private async ask(): Promise<void> {
    this.isAsking = true;
    try {
      for (const ids of chunksOf(this.byLogin.keys())) {
        const alive = new Set(await this.logins.aliveAmong(ids));
        for (const id of ids) if (!alive.has(id)) this.endLogin(id);
      }
      for (const ids of chunksOf(this.byUser.keys())) {
        for (const id of await this.users.disabledAmong(ids)) this.endUser(id);
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'Ended logins could not be looked up; trying again');
    } finally {
      this.isAsking = false;
    }
  }

  private end(entries: Iterable<Watched>): void {
    for (const entry of Array.from(entries)) {
      this.forget(entry);
      entry.controller.abort(new AppError('unauthenticated', 'The credentials have ended. Sign in again.'));
    }
  }

  private forget(entry: Watched): void {
    this.watched.delete(entry);
    this.byLogin.delete(entry);
    this.byUser.delete(entry);
    if (this.watched.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

/** Entries by one of their principal's ids; those without it are left out. */
class Index {
  private readonly groups = new Map<string, Set<Watched>>();

  constructor(private readonly keyOf: (principal: Principal) => string | null) {}

  keys(): string[] {
    return [...this.groups.keys()];
  }

  get(key: string): Iterable<Watched> {
    return this.groups.get(key) ?? [];
  }

  add(entry: Watched): void {
    const key = this.keyOf(entry.principal);
    if (key === null) return;
    const group = this.groups.get(key);
    if (group === undefined) this.groups.set(key, new Set([entry]));
    else group.add(entry);
  }

  delete(entry: Watched): void {
    const key = this.keyOf(entry.principal);
    const group = key === null ? undefined : this.groups.get(key);
    if (key === null || group === undefined) return;
    group.delete(entry);
    if (group.size === 0) this.groups.delete(key);
  }
}

function* chunksOf(ids: readonly string[]): Generator<string[]> {
  for (let i = 0; i < ids.length; i += CHUNK) yield ids.slice(i, i + CHUNK);
}
