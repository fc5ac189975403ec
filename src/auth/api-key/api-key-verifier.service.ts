import { Injectable, Logger } from '@nestjs/common';
import type { Principal } from '../principal.js';
import type { ApiKey } from './api-key.js';
import { ApiKeyRepository } from './api-key.repository.js';
import { isKeyText, keyHashOf } from './key-text.js';

/** Whom a key stands for. */
@Injectable()
export class ApiKeyVerifier {
  private readonly logger = new Logger(ApiKeyVerifier.name);
  /** Keys whose use is being written: a crowd of calls writes once. */
  private readonly noting = new Set<string>();

  constructor(private readonly keys: ApiKeyRepository) {}

  /**
   * The key's user with the roles of today and the key's scopes. Undefined when it is misspelt, unknown, ended or
   * expired, or its user disabled, all alike.
   */
  async verify(text: string): Promise<Principal | undefined> {
    const known = isKeyText(text) ? await this.keys.findLive(keyHashOf(text)) : undefined;
    if (known === undefined) return undefined;
    const { key, email, roles } = known;
    if (known.isUseUntold) await this.noteUse(key);
    return {
      userId: key.userId,
      tenantId: key.tenantId,
      email,
      roles,
      via: 'key',
      loginId: null,
      expiresAt: key.expiresAt,
      scopes: key.scopes,
      keyId: key.id,
    };
  }

  /** When a key was used last is for people; that it cannot be written stops no call. */
  private async noteUse(key: ApiKey): Promise<void> {
    const { id } = key;
    if (this.noting.has(id)) return;
    this.noting.add(id);
    try {
      await this.keys.noteUse(key);
    } catch (error) {
      this.logger.warn({ err: error, keyId: id }, 'The use of an API key could not be noted');
    } finally {
      this.noting.delete(id);
    }
  }
}
