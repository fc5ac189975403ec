import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Database } from '../../database/database.js';
import { onEachDatabase } from '../../../test/support/databases.js';
import { IdentityRepository } from './identity.repository.js';

const ISSUER = 'https://id.test';

onEachDatabase('identities', (open) => {
  let database: Database;
  let identities: IdentityRepository;

  beforeEach(async () => {
    database = await open();
    identities = new IdentityRepository(database);
  });
  afterEach(() => database.close());

  it('bind a subject of an issuer to one user, whoever comes first', async () => {
    const both = await Promise.all(['usr_1', 'usr_2'].map((user) => identities.bind(ISSUER, 'race', user)));
    expect(both[0]).toBe(both[1]);
    expect(await identities.bind(ISSUER, 'race', 'usr_3')).toBe(both[0]);
    expect(await identities.find(ISSUER, 'race')).toBe(both[0]);
  });

  it('bind a user to one subject of an issuer, whoever comes first', async () => {
    const both = await Promise.all(['a', 'b'].map((subject) => identities.bind(ISSUER, subject, 'usr_one')));
    expect(both).toEqual(expect.arrayContaining(['usr_one', undefined]));
    expect(await identities.bind('https://other.test', 'a', 'usr_one')).toBe('usr_one');
  });

  it('are told apart by issuer and subject', async () => {
    await identities.bind(ISSUER, 'told-apart', 'usr_4');
    expect(await identities.find('https://other.test', 'told-apart')).toBeUndefined();
    expect(await identities.find(ISSUER, 'Told-apart')).toBeUndefined();
    expect(await identities.isKnown(ISSUER, 'usr_4')).toBe(true);
    expect(await identities.isKnown('https://other.test', 'usr_4')).toBe(false);
  });

  it('are given up by the user that they belong to only', async () => {
    await identities.bind(ISSUER, 'given-up', 'usr_5');
    await identities.unbind(ISSUER, 'given-up', 'usr_6');
    expect(await identities.find(ISSUER, 'given-up')).toBe('usr_5');
    await identities.unbind(ISSUER, 'given-up', 'usr_5');
    expect(await identities.find(ISSUER, 'given-up')).toBeUndefined();
  });

  it('take a sign-in back once', async () => {
    const outcomes = await Promise.all([identities.spend('one'), identities.spend('one')]);
    expect(outcomes.toSorted()).toEqual([false, true]);
    expect(await identities.spend('two')).toBe(true);
  });
});
