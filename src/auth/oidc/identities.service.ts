import { Injectable } from '@nestjs/common';
import { newId } from '../../database/ids.js';
import { AppError } from '../../errors/app-error.js';
import { DEFAULT_TENANT, type User } from '../user.js';
import { IdentityRepository } from './identity.repository.js';
import type { ProviderUser } from './provider-claims.js';
import { UserAccounts } from './user-accounts.js';

/** Which account somebody has whom an identity provider vouches for. Accounts are made when they first sign in. */
@Injectable()
export class Identities {
  constructor(
    private readonly identities: IdentityRepository,
    private readonly accounts: UserAccounts,
  ) {}

  /**
   * @param linksVerifiedEmail whether an account with the person's verified address is theirs.
   * @throws AppError `sign_in_refused` for who may not come in.
   */
  async accountOf(person: ProviderUser, linksVerifiedEmail: boolean): Promise<User> {
    if (person.tenantId === null) throw refused('The identity provider names no tenant for you.');
    const boundId = await this.identities.find(person.issuer, person.subject);
    const known = boundId === undefined ? undefined : await this.accounts.find(boundId);
    const found = known ?? (await this.claimByEmail(person, linksVerifiedEmail));
    return this.refresh(found ?? (await this.create(boundId ?? newId('usr'), person)), person);
  }

  /**
   * The account that has the person's address already, once it is bound to them; undefined when nobody has it.
   * Not one that the same provider knows under another subject: then one of both got the address wrongly.
   */
  private async claimByEmail(person: ProviderUser, isAllowed: boolean): Promise<User | undefined> {
    if (person.email === null) return undefined;
    const taken = await this.accounts.findByEmail(person.email.address);
    if (taken === undefined) return undefined;
    const { user } = taken;
    const isTheirs =
      isAllowed &&
      person.email.isVerified === true &&
      user.tenantId === (person.tenantId ?? DEFAULT_TENANT) &&
      (!user.roles.includes('admin') || person.roles?.includes('admin') === true) &&
      !(await this.identities.isKnown(person.issuer, user.id));
    if (!isTheirs) throw addressTaken();
    const id = await this.identities.bind(person.issuer, person.subject, user.id);
    // Another subject with this address has come at the same time.
    if (id === undefined) throw addressTaken();
    return this.accounts.find(id);
  }

  /** Bound first, made then: what is left by a process that died in between is finished at the next sign-in. */
  private async create(newUserId: string, person: ProviderUser): Promise<User> {
    const { issuer, subject, email } = person;
    const id = (await this.identities.bind(issuer, subject, newUserId)) ?? newUserId;
    const isMade = await this.accounts.insert({
      id,
      tenantId: person.tenantId ?? DEFAULT_TENANT,
      // An address that anybody can name would be taken from whom it belongs to, and tools go by it.
      email: email?.isVerified === true ? email.address : null,
      roles: person.roles ?? ['member'],
      passwordHash: '',
    });
    const user = await this.accounts.find(id);
    if (user !== undefined) return user;
    if (!isMade) await this.identities.unbind(issuer, subject, id);
    throw addressTaken();
  }

  /** The account as the provider wants it now, where it may come in. */
  private async refresh(user: User, person: ProviderUser): Promise<User> {
    if (user.disabled || user.kind !== 'person') throw refused('Your account is not active here.');
    if (person.tenantId !== undefined && person.tenantId !== user.tenantId) {
      throw refused('Your account here belongs to another tenant.');
    }
    const { roles } = person;
    if (roles === undefined || isSame(roles, user.roles)) return user;
    return (await this.accounts.update(user.id, user.tenantId, { roles })) ?? user;
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((role) => other.includes(role));
}

function addressTaken(): AppError {
  return refused('Your e-mail address belongs to another account here.');
}

function refused(reason: string): AppError {
  return new AppError('sign_in_refused', `${reason} Ask an administrator.`);
}
