import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-local';
import { Accounts } from '../accounts.service.js';
import type { User } from '../user.js';

/** E-mail address and password in the body, which is checked before: Passport would also look into the query. */
@Injectable()
export class LocalStrategy extends PassportStrategy(Strategy, 'local') {
  constructor(private readonly accounts: Accounts) {
    super({ usernameField: 'email', passwordField: 'password' });
  }

  async validate(email: string, password: string): Promise<User | false> {
    return (await this.accounts.verify(email, password)) ?? false;
  }
}
