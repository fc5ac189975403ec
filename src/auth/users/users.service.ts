import { Injectable } from '@nestjs/common';
import { isId, newId } from '../../database/ids.js';
import { AppError } from '../../errors/app-error.js';
import type { Principal, Role } from '../principal.js';
import { Revocations } from '../revocations.service.js';
import { Passwords } from './passwords.js';
import { DEFAULT_TENANT, viewOf, type UserView } from '../user.js';
import { UserRepository, type UserChange } from './user.repository.js';

export interface UserRequest {
  email: string;
  password: string;
  roles?: Role[] | undefined;
  tenant_id?: string | undefined;
}

/** What an administrator does with the users of the own tenant; those of `default` may name any tenant. */
@Injectable()
export class Users {
  constructor(
    private readonly users: UserRepository,
    private readonly passwords: Passwords,
    private readonly revocations: Revocations,
  ) {}

  async create(admin: Principal, request: UserRequest): Promise<UserView> {
    const tenantId = tenantFor(admin, request.tenant_id);
    const roles = unique(request.roles ?? ['member']);
    const passwordHash = await this.passwords.hash(request.password);
    const user = { id: newId('usr'), tenantId, email: request.email, roles };
    if (!(await this.users.insert({ ...user, passwordHash }))) {
      throw new AppError('conflict', 'The e-mail address has an account already.');
    }
    return viewOf(user);
  }

  /** A change of `disabled` either way ends all logins: what was open before must not come back. */
  async change(
    admin: Principal,
    id: string,
    tenant: string | undefined,
    change: UserChange,
  ): Promise<UserView & { disabled: boolean }> {
    const tenantId = tenantFor(admin, tenant);
    const before = await this.findIn(tenantId, id);
    if (before.disabled && change.disabled === false) await this.revocations.endLoginsOf(id);
    const user = await this.users.update(id, tenantId, {
      ...change,
      roles: change.roles && unique(change.roles),
    });
    if (user === undefined) throw unknownUser();
    if (user.disabled) {
      await this.revocations.endLoginsOf(id);
      this.revocations.endUser(id);
    }
    return { ...viewOf(user), disabled: user.disabled };
  }

  async endSessions(admin: Principal, id: string, tenant: string | undefined): Promise<void> {
    await this.findIn(tenantFor(admin, tenant), id);
    await this.revocations.endLoginsOf(id);
  }

  private async findIn(tenantId: string, id: string) {
    const user = isId('usr', id) ? await this.users.find(id) : undefined;
    if (user?.tenantId !== tenantId) throw unknownUser();
    return user;
  }
}

function tenantFor(admin: Principal, named: string | undefined): string {
  if (named === undefined || named === admin.tenantId) return admin.tenantId;
  if (admin.tenantId === DEFAULT_TENANT) return named;
  throw new AppError('forbidden', 'You may manage users of your own tenant only.');
}

function unique(roles: Role[]): Role[] {
  return [...new Set(roles)];
}

function unknownUser(): AppError {
  return new AppError('not_found', 'There is no such user.');
}
