import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { newId } from '../database/ids.js';
import { authConfig, type AuthConfig } from './auth.config.js';
import { Passwords } from './users/passwords.js';
import { DEFAULT_TENANT } from './user.js';
import { UserRepository } from './users/user.repository.js';

/** How somebody new to a development server gets in. */
export interface SignInHint {
  email: string;
  /** Relative to the working directory; its `admin_password` is the password. */
  passwordFile: string;
}

/** Creates the administrator of the configuration in a database without users; never again. */
@Injectable()
export class FirstAdministrator implements OnApplicationBootstrap {
  private readonly logger = new Logger(FirstAdministrator.name);
  private hint: SignInHint | undefined;

  constructor(
    @Inject(authConfig.KEY) private readonly config: AuthConfig,
    private readonly users: UserRepository,
    private readonly passwords: Passwords,
  ) {}

  /** For the banner, once the application is up: only where the generated password opens an account. */
  get signInHint(): SignInHint | undefined {
    return this.hint;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { administrator, passwordFile } = this.config;
    if (administrator === null) return;
    if (await this.users.isEmpty()) await this.create(administrator);
    if (passwordFile === null) return;
    const found = await this.users.findByEmail(administrator.email);
    if (found?.user.disabled === false) this.hint = { email: administrator.email, passwordFile };
  }

  private async create(administrator: { email: string; password: string }): Promise<void> {
    const isCreated = await this.users.insertFirst({
      id: newId('usr'),
      tenantId: DEFAULT_TENANT,
      email: administrator.email,
      passwordHash: await this.passwords.hash(administrator.password),
      roles: ['admin'],
    });
    if (isCreated) this.logger.log(`The first administrator is ${administrator.email}`);
  }
}
