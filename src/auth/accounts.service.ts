import { Injectable } from '@nestjs/common';
import { ApiKeyRepository } from './api-key/api-key.repository.js';
import type { Principal } from './principal.js';
import { type Ground, keyGround, loginGround } from './revocation/ground.js';
import { LoginRepository } from './session/login.repository.js';
import type { User } from './user.js';
import { Passwords } from './users/passwords.js';
import { standingOf } from './users/standing.js';
import { UserRepository } from './users/user.repository.js';

/** Whether somebody who claims to be a user is one, now. */
@Injectable()
export class Accounts {
  private readonly grounds: readonly Ground[];

  constructor(
    private readonly users: UserRepository,
    private readonly passwords: Passwords,
    logins: LoginRepository,
    keys: ApiKeyRepository,
  ) {
    this.grounds = [loginGround(logins), keyGround(keys)];
  }

  /** The user with this e-mail address and password; undefined when wrong, unknown or disabled alike. */
  async verify(email: string, password: string): Promise<User | undefined> {
    const account = email.toLowerCase();
    const found = await this.users.findByEmail(account);
    const matches = await this.passwords.matches(password, found?.passwordHash, account);
    return matches && found?.user.disabled === false ? found.user : undefined;
  }

  /** The account, unless it is unknown or disabled. */
  async findActive(userId: string): Promise<User | undefined> {
    const user = await this.users.find(userId);
    return user?.disabled === false ? user : undefined;
  }

  /**
   * What is true today about a principal that was proved elsewhere or earlier: its login or key must not have
   * ended, and the account, where the user has one here, must bear it (`standingOf`). The account's roles count.
   */
  async confirm(principal: Principal): Promise<Principal | undefined> {
    for (const ground of this.grounds) {
      const key = ground.keyOf(principal);
      if (key !== undefined && (await ground.ask([key]))(principal)) return undefined;
    }
    return standingOf(principal, await this.users.find(principal.userId));
  }
}
