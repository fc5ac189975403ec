import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { ApiKeyVerifier } from './api-key-verifier.service.js';
import type { ApiKeyRepository, KnownKey } from './api-key.repository.js';
import { keyHashOf, newKeyText } from './key-text.js';

Logger.overrideLogger(false);

const TEXT = newKeyText();
const KNOWN: KnownKey = {
  key: {
    id: 'key_1',
    tenantId: 'acme',
    userId: 'usr_ann',
    name: 'nightly',
    hint: TEXT.slice(-4),
    scopes: ['agent:read'],
    createdBy: 'usr_ann',
    createdAt: 1,
    expiresAt: 9_000,
    lastUsedAt: null,
  },
  email: 'ann@acme.test',
  roles: ['member'],
  isUseUntold: true,
};

/** Knows one key, and what was asked of it. */
class Keys {
  readonly looked: string[] = [];
  readonly noted: string[] = [];

  constructor(
    private readonly known: KnownKey = KNOWN,
    private readonly write: () => Promise<void> = () => Promise.resolve(),
  ) {}

  findLive(hash: string): Promise<KnownKey | undefined> {
    this.looked.push(hash);
    return Promise.resolve(hash === keyHashOf(TEXT) ? this.known : undefined);
  }

  noteUse({ id }: { id: string }): Promise<void> {
    this.noted.push(id);
    return this.write();
  }
}

function verifierOf(keys: Keys): ApiKeyVerifier {
  return new ApiKeyVerifier(keys as unknown as ApiKeyRepository);
}

describe('A key', () => {
  it('stands for its user, with the scopes and the end of the key', async () => {
    expect(await verifierOf(new Keys()).verify(TEXT)).toEqual({
      userId: 'usr_ann',
      tenantId: 'acme',
      email: 'ann@acme.test',
      roles: ['member'],
      via: 'key',
      loginId: null,
      expiresAt: 9_000,
      scopes: ['agent:read'],
      keyId: 'key_1',
    });
  });

  it('that is misspelt is refused without asking the database', async () => {
    const keys = new Keys();

    expect(await verifierOf(keys).verify(`${TEXT.slice(0, -1)}-`)).toBeUndefined();
    expect(await verifierOf(keys).verify('agl_')).toBeUndefined();
    expect(keys.looked).toEqual([]);
    expect(await verifierOf(keys).verify(newKeyText())).toBeUndefined();
    expect(keys.looked).toHaveLength(1);
  });

  it('counts also when its use cannot be noted', async () => {
    const keys = new Keys(KNOWN, () => Promise.reject(new Error('database or disk is full')));

    expect(await verifierOf(keys).verify(TEXT)).toMatchObject({ keyId: 'key_1' });
    expect(keys.noted).toEqual(['key_1']);
  });

  it('has its use noted when that is due, by one of many calls at once', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const keys = new Keys(KNOWN, () => promise);
    const verifier = verifierOf(keys);
    const calls = Array.from({ length: 20 }, () => verifier.verify(TEXT));
    resolve();
    await Promise.all(calls);
    expect(keys.noted).toEqual(['key_1']);

    const told = new Keys({ ...KNOWN, isUseUntold: false });
    await verifierOf(told).verify(TEXT);
    expect(told.noted).toEqual([]);
  });
});
