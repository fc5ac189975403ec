import { Injectable } from '@nestjs/common';
import type { Principal } from './principal.js';
import { Passwords } from './users/passwords.js';
import { LoginRepository } from './session/login.repository.js';
import type { User } from './user.js';
import { UserRepository } from './users/user.repository.js';

/** Whether somebody who claims to be a user is one, now. */
@Injectable()
export class Accounts {
  constructor(
    private readonly users: UserRepository,
    private readonly passwords: Passwords,
    private readonly logins: LoginRepository,
  ) {}

  /** The user with this e-mail address and password; undefined when wrong, unknown or disabled alike. */
  async verify(email: string, password: string): Promise<User | undefined> {
    const found = await this.users.findByEmail(email.toLowerCase());
    const matches = await this.passwords.matches(password, found?.passwordHash);
    return matches && found?.user.disabled === false ? found.user : undefined;
  }

  /** The account, unless it is unknown or disabled. */
  async findActive(userId: string): Promise<User | undefined> {
    const user = await this.users.find(userId);
    return user?.disabled === false ? user : undefined;
  }

  /**
   * What is true today about a principal that was proved elsewhere or earlier. Its login must not have ended.
   * Where the user has an account here, it must be active and of the named tenant, and the account's roles
   * count; otherwise the principal stands.
   */
  async confirm(principal: Principal): Promise<Principal | undefined> {
    const { userId, loginId } = principal;
    if (loginId !== null && (await this.logins.aliveAmong([loginId])).length === 0) return undefined;
    const user = await this.users.find(userId);
    if (user === undefined) return principal;
    if (user.disabled || user.tenantId !== principal.tenantId) return undefined;
    return { ...principal, email: user.email, roles: user.roles };
  }
}
