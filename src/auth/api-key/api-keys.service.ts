import { Injectable } from '@nestjs/common';
import { isId, newId } from '../../database/ids.js';
import { AppError } from '../../errors/app-error.js';
import { administeredTenant, may, refuseLimited } from '../permissions.js';
import type { Owner, Permission, Principal, Scope } from '../principal.js';
import { Revocations } from '../revocations.service.js';
import {
  type ApiKey,
  type CreateKey,
  DEFAULT_SCOPES,
  type ListAllKeys,
  type ListKeys,
  MAX_LIVE_KEYS,
} from './api-key.js';
import { ApiKeyRepository, type KeysOf } from './api-key.repository.js';
import { keyHashOf, keyHintOf, newKeyText } from './key-text.js';
import { type KeyList, type NewKeyView, viewKey, viewNewKey } from './views.js';

const DAY_MS = 24 * 3_600_000;

/** Keys for programs: users have their own, administrators those of service accounts. */
@Injectable()
export class ApiKeys {
  constructor(
    private readonly keys: ApiKeyRepository,
    private readonly revocations: Revocations,
  ) {}

  /** @throws AppError `forbidden` for more than the caller may, `conflict` when there are too many */
  async create(principal: Principal, request: CreateKey): Promise<NewKeyView> {
    refuseLimited(principal);
    const scopes = scopesOf(request.scopes, (permission) => may(principal, permission));
    const made = await this.insert(principal, principal, request, scopes);
    if (made !== undefined) return made;
    throw new AppError('forbidden', 'Keys are for users with an account on this server.');
  }

  /**
   * A key for a program's account. It may be for nothing that its account's roles, or whoever makes it, may not.
   * @throws AppError `not_found` where the tenant has no such account, and what `create` throws
   */
  async createForService(
    admin: Principal,
    id: string,
    tenant: string | undefined,
    request: CreateKey,
  ): Promise<NewKeyView> {
    const owner = { userId: id, tenantId: administeredTenant(admin, tenant) };
    const roles = isId('usr', id) ? await this.keys.findServiceRoles(owner) : undefined;
    if (roles === undefined) throw unknownAccount();
    const scopes = scopesOf(request.scopes, (permission) => may({ ...admin, roles }, permission));
    const made = await this.insert(owner, admin, request, scopes);
    if (made === undefined) throw unknownAccount();
    return made;
  }

  async list(principal: Principal, page: ListKeys): Promise<KeyList> {
    refuseLimited(principal);
    return this.page({ tenantId: principal.tenantId, userId: principal.userId }, page);
  }

  async listAll(admin: Principal, query: ListAllKeys): Promise<KeyList> {
    return this.page({ tenantId: administeredTenant(admin, query.tenant_id), userId: query.user_id }, query);
  }

  /** Ends a key of the caller's own, with all streams and sockets that it opened. */
  async end(principal: Principal, id: string): Promise<void> {
    refuseLimited(principal);
    await this.endOf({ tenantId: principal.tenantId, userId: principal.userId }, id);
  }

  async endAny(admin: Principal, id: string, tenant: string | undefined): Promise<void> {
    await this.endOf({ tenantId: administeredTenant(admin, tenant) }, id);
  }

  private async endOf(of: KeysOf, id: string): Promise<void> {
    if (!isId('key', id) || !(await this.keys.end(id, of))) {
      throw new AppError('not_found', 'There is no such key.');
    }
    this.revocations.endKey(id);
  }

  private async page(of: KeysOf, { limit, cursor }: ListKeys): Promise<KeyList> {
    if (cursor !== undefined && !isId('key', cursor)) {
      throw new AppError(
        'invalid_request',
        'The cursor is not one of this list: take next_cursor as it came.',
      );
    }
    const keys = await this.keys.list(of, limit + 1, cursor);
    const data = keys.slice(0, limit).map(viewKey);
    return { data, next_cursor: keys.length > limit ? (data.at(-1)?.id ?? null) : null };
  }

  /** Undefined when there is no such user any more. */
  private async insert(
    owner: Owner,
    maker: Principal,
    request: CreateKey,
    scopes: readonly Scope[],
  ): Promise<NewKeyView | undefined> {
    const text = newKeyText();
    const made: ApiKey | 'no_user' | 'full' = await this.keys.insert({
      id: newId('key'),
      tenantId: owner.tenantId,
      userId: owner.userId,
      name: request.name,
      secretHash: keyHashOf(text),
      hint: keyHintOf(text),
      scopes,
      createdBy: maker.userId,
      lifetimeMs: request.expires_in_days * DAY_MS,
    });
    if (made === 'no_user') return undefined;
    if (made === 'full') {
      throw new AppError('conflict', `A user has ${MAX_LIVE_KEYS} keys at most: end one of them first.`);
    }
    return viewNewKey(made, text);
  }
}

/** Those that were asked for, all of which must be had; otherwise what of the usual ones can be had. */
function scopesOf(
  asked: readonly Scope[] | undefined,
  isHad: (permission: Permission) => boolean,
): readonly Scope[] {
  const has = (scope: Scope): boolean => isHad(permissionOf(scope));
  const scopes = asked === undefined ? DEFAULT_SCOPES.filter(has) : [...new Set(asked)];
  if (scopes.length > 0 && scopes.every(has)) return scopes;
  throw new AppError('forbidden', 'A key is for nothing that its user, or whoever makes it, may not do.');
}

function permissionOf(scope: Scope): Permission {
  return scope.slice('agent:'.length) as Permission;
}

function unknownAccount(): AppError {
  return new AppError('not_found', 'There is no such service account.');
}
