import { Injectable } from '@nestjs/common';
import { isId, newId } from '../../database/ids.js';
import { AppError } from '../../errors/app-error.js';
import { administeredTenant } from '../permissions.js';
import type { Principal, Role } from '../principal.js';
import { Revocations } from '../revocations.service.js';
import {
  type CreateServiceAccount,
  type ListServiceAccounts,
  type ServiceAccountList,
  type ServiceAccountView,
  viewServiceAccount,
} from './service-account.js';
import { ServiceAccountRepository } from './service-account.repository.js';

/** What an administrator does with the programs of the own tenant; those of `default` may name any tenant. */
@Injectable()
export class ServiceAccounts {
  constructor(
    private readonly accounts: ServiceAccountRepository,
    private readonly revocations: Revocations,
  ) {}

  async create(admin: Principal, request: CreateServiceAccount): Promise<ServiceAccountView> {
    const account = await this.accounts.insert({
      id: newId('usr'),
      tenantId: administeredTenant(admin, request.tenant_id),
      name: request.name,
      roles: unique(request.roles ?? ['member']),
    });
    return viewServiceAccount(account);
  }

  async list(
    admin: Principal,
    { tenant_id, limit, cursor }: ListServiceAccounts,
  ): Promise<ServiceAccountList> {
    const tenantId = administeredTenant(admin, tenant_id);
    if (cursor !== undefined && !isId('usr', cursor)) {
      throw new AppError(
        'invalid_request',
        'The cursor is not one of this list: take next_cursor as it came.',
      );
    }
    const accounts = await this.accounts.list(tenantId, limit + 1, cursor);
    const data = accounts.slice(0, limit).map(viewServiceAccount);
    return { data, next_cursor: accounts.length > limit ? (data.at(-1)?.id ?? null) : null };
  }

  /** Ends the account with its keys, and all that they opened. */
  async delete(admin: Principal, id: string, tenant: string | undefined): Promise<void> {
    const tenantId = administeredTenant(admin, tenant);
    if (!isId('usr', id) || !(await this.accounts.delete(id, tenantId))) throw unknownAccount();
    this.revocations.endUser(id);
  }
}

function unique(roles: readonly Role[]): Role[] {
  return [...new Set(roles)];
}

function unknownAccount(): AppError {
  return new AppError('not_found', 'There is no such service account.');
}
