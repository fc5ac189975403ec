import { Injectable } from '@nestjs/common';
import type { SessionData } from 'express-session';
import { z } from 'zod';
import { AppError } from '../../errors/app-error.js';
import { Accounts } from '../accounts.service.js';
import { refuseLimited } from '../permissions.js';
import type { Principal } from '../principal.js';
import { Revocations } from '../revocations.service.js';
import { LoginRepository, type StoredLogin } from './login.repository.js';

export const loginView = z
  .object({
    id: z.string(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime().describe('When it ends unless it is used before'),
    remote_address: z.string().nullable().describe('Where it was begun'),
    user_agent: z.string().nullable(),
    current: z.boolean().describe('The one that asks'),
  })
  .meta({ id: 'Login' });
export type LoginView = z.output<typeof loginView>;

export const loginList = z.object({ data: z.array(loginView) }).meta({ id: 'LoginList' });
export type LoginList = z.output<typeof loginList>;

/** Where a user is signed in with a cookie, for the user alone (OWASP ASVS 5.0 V7.5.2). */
@Injectable()
export class Logins {
  constructor(
    private readonly logins: LoginRepository,
    private readonly revocations: Revocations,
    private readonly accounts: Accounts,
  ) {}

  /** Those that have not ended, newest first. */
  async list(principal: Principal): Promise<LoginList> {
    refuseLimited(principal);
    const logins = (await this.hasAccount(principal)) ? await this.logins.listOfUser(principal.userId) : [];
    return { data: logins.map((login) => viewLogin(login, principal.loginId)) };
  }

  /** Ends one, with its streams and sockets. @throws AppError `not_found`, also for one of somebody else. */
  async end(principal: Principal, id: string): Promise<void> {
    refuseLimited(principal);
    const isEnded = (await this.hasAccount(principal)) && (await this.logins.deleteOne(principal.userId, id));
    if (!isEnded) throw new AppError('not_found', 'There is no such login.');
    this.revocations.endLogin(id);
  }

  /** Logins are known by the user's id alone, which another tenant's account may have. */
  private async hasAccount({ userId, tenantId }: Principal): Promise<boolean> {
    return (await this.accounts.findActive(userId))?.tenantId === tenantId;
  }
}

function viewLogin(login: StoredLogin, current: string | null): LoginView {
  const { client } = JSON.parse(login.data) as SessionData;
  return {
    id: login.id,
    created_at: new Date(login.createdAt).toISOString(),
    expires_at: new Date(login.expiresAt).toISOString(),
    remote_address: client?.address ?? null,
    user_agent: client?.agent ?? null,
    current: login.id === current,
  };
}
