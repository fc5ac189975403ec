import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { onEachDatabase } from '../../../test/support/databases.js';
import type { Owner } from '../../auth/principal.js';
import type { Database } from '../../database/database.js';
import { SessionRepository } from '../session.repository.js';
import type { Session } from '../session.js';
import { ShareRepository } from './share.repository.js';
import { ShareWatch } from './share-watch.service.js';
import { Shares } from './shares.service.js';

Logger.overrideLogger(false);

const ADA: Owner = { userId: 'usr_ada', tenantId: 'acme' };
const BOB: Owner = { userId: 'usr_bob', tenantId: 'acme' };
const EVE: Owner = { userId: 'usr_eve', tenantId: 'acme' };
/** The same name, in another tenant. */
const OTHER_BOB: Owner = { userId: 'usr_bob', tenantId: 'globex' };
const NOT_FOUND = { code: 'not_found', message: 'There is no such session.' };

onEachDatabase('a session that is shown to others', (open) => {
  let database: Database;
  let sessions: SessionRepository;
  let shares: Shares;
  let watch: ShareWatch;
  let session: Session;

  /** What one process has. */
  const node = () => {
    const repository = new ShareRepository(database);
    const watching = new ShareWatch(repository);
    return { watch: watching, shares: new Shares(sessions, repository, watching) };
  };

  beforeEach(async () => {
    database = await open();
    sessions = new SessionRepository(database);
    ({ shares, watch } = node());
    session = await sessions.create(ADA, { title: 'Plans' });
  });
  afterEach(async () => {
    watch.onApplicationShutdown();
    await database.close();
  });

  it('is seen by the users that are named, and by nobody else', async () => {
    expect(await shares.replace(ADA, session.id, ['usr_bob', 'usr_ada', 'usr_bob'])).toEqual(['usr_bob']);
    expect(await shares.find(ADA, session.id)).toEqual(['usr_bob']);
    expect(await sessions.see(BOB, session.id)).toEqual(session);
    expect((await sessions.listShown(BOB, 10, undefined)).map(({ id }) => id)).toEqual([session.id]);
    for (const stranger of [EVE, OTHER_BOB]) {
      await expect(sessions.see(stranger, session.id)).rejects.toMatchObject(NOT_FOUND);
      expect(await sessions.listShown(stranger, 10, undefined)).toEqual([]);
    }
    expect(await sessions.listShown(ADA, 10, undefined)).toEqual([]);
  });

  it('says whose it is to whom it is shown to, and can be found there by its title', async () => {
    const account = { id: 'usr_ada', tenant_id: 'acme', email: 'ada@acme.example', password_hash: '' };
    await database
      .of(ADA)
      .insertInto('users')
      .values({ ...account, roles_json: '[]', disabled_at: null, created_at: 1 })
      .execute();
    await shares.replace(ADA, session.id, ['usr_bob']);
    expect((await sessions.see(BOB, session.id)).ownerEmail).toBe('ada@acme.example');
    expect((await sessions.listShown(BOB, 10, undefined, 'PLAN')).map((each) => each.ownerEmail)).toEqual([
      'ada@acme.example',
    ]);
    expect(await sessions.listShown(BOB, 10, undefined, 'other')).toEqual([]);
    expect((await sessions.see(ADA, session.id)).ownerEmail).toBeUndefined();
  });

  it('is seen by the whole tenant, and by no other', async () => {
    expect(await shares.replace(ADA, session.id, 'tenant')).toBe('tenant');
    expect(await shares.find(ADA, session.id)).toBe('tenant');
    expect(await sessions.see(EVE, session.id)).toEqual(session);
    await expect(sessions.see(OTHER_BOB, session.id)).rejects.toMatchObject(NOT_FOUND);
  });

  it('is changed by its owner alone, who alone says whom it is shown to', async () => {
    await shares.replace(ADA, session.id, ['usr_bob']);
    for (const ask of [
      () => sessions.require(BOB, session.id),
      () => shares.find(BOB, session.id),
      () => shares.replace(BOB, session.id, 'tenant'),
    ]) {
      await expect(ask()).rejects.toMatchObject({ code: 'forbidden' });
    }
    for (const ask of [
      () => shares.find(EVE, session.id),
      () => shares.replace(OTHER_BOB, session.id, ['usr_bob']),
      () => shares.replace(ADA, 'ses_01h455vb4pex5vsknk084sn02q', []),
    ]) {
      await expect(ask()).rejects.toMatchObject(NOT_FOUND);
    }
    expect(await shares.find(ADA, session.id)).toEqual(['usr_bob']);
  });

  it('is shown to nobody once it is deleted', async () => {
    await shares.replace(ADA, session.id, 'tenant');
    await database.transaction((trx) => sessions.delete(ADA, session.id, trx));
    expect(await sessions.listShown(EVE, 10, undefined)).toEqual([]);
    expect(await new ShareRepository(database).listAll([session.id])).toEqual([]);
  });

  it('ends the views of those whom it is not shown to any more, on every node', async () => {
    const far = node();
    await shares.replace(ADA, session.id, ['usr_bob', 'usr_eve']);
    const bob = await watch.watch(BOB, session);
    const eve = await watch.watch(EVE, session);
    const farBob = await far.watch.watch(BOB, session);
    // From here on it looks only when it is told to.
    far.watch.onApplicationShutdown();
    await shares.replace(ADA, session.id, ['usr_eve']);
    expect(bob.signal.reason).toMatchObject(NOT_FOUND);
    expect(eve.signal.aborted).toBe(false);
    expect(farBob.signal.aborted).toBe(false);
    await far.watch.look();
    expect(farBob.signal.reason).toMatchObject(NOT_FOUND);
    await shares.replace(ADA, session.id, 'tenant');
    await watch.look();
    expect(eve.signal.aborted).toBe(false);
    eve.stop();
    await shares.replace(ADA, session.id, []);
    expect(eve.signal.aborted).toBe(false);
  });

  it('goes on to be watched while the database does not answer', async () => {
    await shares.replace(ADA, session.id, ['usr_bob']);
    const failing = new ShareRepository(database);
    failing.listAll = () => Promise.reject(new Error('away'));
    const patient = new ShareWatch(failing);
    const bob = await patient.watch(BOB, session);
    await patient.look();
    expect(bob.signal.aborted).toBe(false);
    bob.stop();
  });
});
