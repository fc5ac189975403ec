import { Inject, Injectable } from '@nestjs/common';
import { isId, newId } from '../../database/ids.js';
import { AppError } from '../../errors/app-error.js';
import { authConfig, type AuthConfig } from '../auth.config.js';
import { administeredTenant, refuseLimited } from '../permissions.js';
import type { Principal, Role } from '../principal.js';
import { Revocations } from '../revocations.service.js';
import { requireGoodPassword } from './password-policy.js';
import { Passwords } from './passwords.js';
import { type User, type UserView, viewOf } from '../user.js';
import type { ChangeUser, CreateUser, ListUsers } from './requests.js';
import { UserRepository } from './user.repository.js';
import { type AccountList, type AccountView, viewAccount } from './views.js';

/** What an administrator does with the users of the own tenant; those of `default` may name any tenant. */
@Injectable()
export class Users {
  constructor(
    private readonly users: UserRepository,
    private readonly passwords: Passwords,
    private readonly revocations: Revocations,
    @Inject(authConfig.KEY) private readonly config: Pick<AuthConfig, 'production'>,
  ) {}

  /**
   * Who can sign in outlives a key, and a token for less: neither makes users nor changes what they may.
   * With NODE_ENV=production a password that everybody would guess is refused here, too.
   */
  async create(admin: Principal, request: CreateUser): Promise<UserView> {
    refuseLimited(admin);
    const tenantId = administeredTenant(admin, request.tenant_id);
    const roles = unique(request.roles ?? ['member']);
    if (this.config.production) await requireGoodPassword('password', request.password, request.email);
    const passwordHash = await this.passwords.hash(request.password);
    const user = { id: newId('usr'), tenantId, email: request.email, roles };
    if (!(await this.users.insert({ ...user, passwordHash }))) {
      throw new AppError('conflict', 'The e-mail address has an account already.');
    }
    return viewOf(user);
  }

  async list(admin: Principal, { limit, cursor, tenant_id: tenant }: ListUsers): Promise<AccountList> {
    if (cursor !== undefined && !isId('usr', cursor)) {
      throw new AppError(
        'invalid_request',
        'The cursor is not one of this list: take next_cursor as it came.',
      );
    }
    const users = await this.users.list(administeredTenant(admin, tenant), limit + 1, cursor);
    const data = users.slice(0, limit).map(viewAccount);
    return { data, next_cursor: users.length > limit ? (data.at(-1)?.id ?? null) : null };
  }

  async find(admin: Principal, id: string, tenant: string | undefined): Promise<AccountView> {
    return viewAccount(await this.findIn(administeredTenant(admin, tenant), id));
  }

  /**
   * A change of `disabled` either way ends all logins and tokens: what was open before must not come back. What
   * fewer roles do not allow is refused at once; what is open for it ends at the next sweep of `Revocations`, so
   * that its client is told why before.
   * @throws AppError `conflict` when administrators shut themselves out.
   */
  async change(
    admin: Principal,
    id: string,
    tenant: string | undefined,
    { disabled, roles }: ChangeUser,
  ): Promise<AccountView> {
    if (roles !== undefined) refuseLimited(admin);
    const tenantId = administeredTenant(admin, tenant);
    const before = await this.findIn(tenantId, id);
    const isShutOut = disabled === true || roles?.includes('admin') === false;
    if (id === admin.userId && isShutOut) {
      throw new AppError('conflict', 'Another administrator has to do this: you would shut yourself out.');
    }
    const endsLogins = disabled !== undefined && disabled !== before.disabled;
    if (endsLogins && !disabled) await this.revocations.endLoginsOf(id);
    const user = await this.users.update(id, tenantId, {
      disabled,
      endsLogins,
      roles: roles && unique(roles),
    });
    if (user === undefined) throw unknownUser();
    if (endsLogins) await this.revocations.loginsEnded(user);
    return viewAccount(user);
  }

  async endSessions(admin: Principal, id: string, tenant: string | undefined): Promise<void> {
    await this.findIn(administeredTenant(admin, tenant), id);
    await this.revocations.endLoginsOf(id);
  }

  private async findIn(tenantId: string, id: string): Promise<User> {
    const user = isId('usr', id) ? await this.users.find(id) : undefined;
    if (user?.tenantId !== tenantId || user.kind === 'deleted') throw unknownUser();
    return user;
  }
}

function unique(roles: Role[]): Role[] {
  return [...new Set(roles)];
}

function unknownUser(): AppError {
  return new AppError('not_found', 'There is no such user.');
}
