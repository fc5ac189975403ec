import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { z } from 'zod';
import { AppError } from '../../errors/app-error.js';
import { Attempts } from '../../limits/attempts.service.js';
import { ApplicationPassport } from '../passport.service.js';
import { refuseLimited } from '../permissions.js';
import type { Principal } from '../principal.js';
import { Revocations } from '../revocations.service.js';
import { password } from '../user.js';
import { requireGoodPassword } from './password-policy.js';
import { Passwords } from './passwords.js';
import { UserRepository } from './user.repository.js';

export const changePasswordRequest = z
  .strictObject({ current: z.string().min(1).max(256), new: password })
  .meta({ id: 'ChangePasswordRequest' });
export type ChangePassword = z.output<typeof changePasswordRequest>;

/** A user's own password (OWASP ASVS 5.0 V6.2.2, V6.2.3). */
@Injectable()
export class PasswordChange {
  constructor(
    private readonly users: UserRepository,
    private readonly passwords: Passwords,
    private readonly revocations: Revocations,
    private readonly passport: ApplicationPassport,
    private readonly attempts: Attempts,
  ) {}

  /**
   * All logins and access tokens end with the old password (V7.4.3); who is signed in by cookie gets a new one.
   * @throws AppError `forbidden` when the current password is another, or there is none; `invalid_request` when the
   * new one is among the first that are guessed.
   */
  async change(principal: Principal, said: ChangePassword, request: Request): Promise<void> {
    refuseLimited(principal);
    const known = await this.ownAccount(principal);
    const trier = { account: known?.user.email ?? principal.userId, address: request.ip };
    const matches = async () =>
      (await this.passwords.matches(said.current, known?.passwordHash, principal.userId)) ? known : undefined;
    if (known === undefined || (await this.attempts.guard(trier, matches)) === undefined) {
      throw new AppError('forbidden', 'The current password is another.');
    }
    await requireGoodPassword('new', said.new, known.user.email);
    const hash = await this.passwords.hash(said.new, principal.userId);
    const user = await this.users.changePassword(principal.userId, known.passwordHash, hash);
    if (user === undefined) throw new AppError('conflict', 'The password has just been changed elsewhere.');
    await this.revocations.loginsEnded(user);
    const session = request.session as Request['session'] | undefined;
    if (session?.passport?.user === user.id) await this.passport.logIn(request, user);
  }

  /** None where the id is that of another tenant's account. */
  private async ownAccount({ userId, tenantId }: Principal) {
    const known = await this.users.findWithPassword(userId);
    return known?.user.tenantId === tenantId ? known : undefined;
  }
}
