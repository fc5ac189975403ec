import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../test/support/databases.js';
import type { Owner } from '../auth/principal.js';
import type { Database } from '../database/database.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { type ThreadName, ThreadRepository } from './thread.repository.js';
import { Threads } from './threads.service.js';

const ADA: Owner = { userId: 'usr_ada', tenantId: 'acme' };
const BOB: Owner = { userId: 'usr_bob', tenantId: 'acme' };
/** The same name, in another tenant. */
const OTHER_ADA: Owner = { userId: 'usr_ada', tenantId: 'globex' };
const CHAT: ThreadName = { kind: 'ai-sdk', clientId: 'chat-1' };

onEachDatabase('what clients call their sessions', (open) => {
  let database: Database;
  let sessions: SessionRepository;
  let threads: Threads;

  beforeEach(async () => {
    database = await open();
    sessions = new SessionRepository(database);
    threads = new Threads(new ThreadRepository(database, sessions), sessions);
  });
  afterEach(() => database.close());

  const idsOf = async (owner: Owner) => (await sessions.list(owner, 10, undefined)).map(({ id }) => id);

  it('a name that was not used yet stands for nothing, and asking for it makes nothing', async () => {
    expect(await threads.find(ADA, CHAT)).toBeUndefined();
    expect(await idsOf(ADA)).toEqual([]);
  });

  it('a name stands for one session from its first use on', async () => {
    const session = await threads.open(ADA, CHAT, 'researcher');
    expect(await sessions.find(ADA, session)).toMatchObject({ id: session, agent: 'researcher' });
    expect(await threads.open(ADA, CHAT)).toBe(session);
    expect(await threads.find(ADA, CHAT)).toBe(session);
    expect(await idsOf(ADA)).toEqual([session]);
  });

  it('a first use that happens several times at once makes one session', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => threads.open(ADA, CHAT)));
    expect(new Set(opened).size).toBe(1);
    expect(await idsOf(ADA)).toEqual([opened[0]]);
  });

  it('a name means another session to another user, tenant or protocol', async () => {
    const session = await threads.open(ADA, CHAT);
    for (const other of [BOB, OTHER_ADA]) {
      expect(await threads.find(other, CHAT)).toBeUndefined();
      expect(await threads.open(other, CHAT)).not.toBe(session);
    }
    expect(await threads.open(ADA, { ...CHAT, kind: 'ag-ui' })).not.toBe(session);
    expect(await threads.find(ADA, CHAT)).toBe(session);
  });

  it('the id of an own session is its name; that of another’s is a name like any other', async () => {
    const { id } = await sessions.create(ADA, {});
    expect(await threads.open(ADA, { kind: 'ai-sdk', clientId: id })).toBe(id);
    expect(await threads.find(BOB, { kind: 'ai-sdk', clientId: id })).toBeUndefined();
    expect(await threads.open(BOB, { kind: 'ai-sdk', clientId: id })).not.toBe(id);
    expect(await idsOf(ADA)).toEqual([id]);
  });

  it('the name of a session that was deleted stands for nothing, and then for a new one', async () => {
    const session = await threads.open(ADA, CHAT);
    await database.transaction((trx) => sessions.delete(ADA, session, trx));
    expect(await threads.find(ADA, CHAT)).toBeUndefined();
    expect(await threads.open(ADA, CHAT)).not.toBe(session);
  });

  it('so it is after a version deleted it that knew no names', async () => {
    const session = await threads.open(ADA, CHAT);
    await database.of(ADA).deleteFrom('sessions').where('id', '=', session).execute();
    expect(await threads.find(ADA, CHAT)).toBeUndefined();
    expect(await threads.open(ADA, CHAT)).not.toBe(session);
  });
});
