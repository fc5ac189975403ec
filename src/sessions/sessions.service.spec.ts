import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase, openSqlite } from '../../test/support/databases.js';
import type { Owner } from '../auth/principal.js';
import type { Database } from '../database/database.js';
import { newId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import { MessageRepository } from './message.repository.js';
import { SessionRepository } from './session.repository.js';
import { ShareWatch } from './shares/share-watch.service.js';
import { ShareRepository } from './shares/share.repository.js';
import { SessionsService } from './sessions.service.js';

const ADA: Owner = { userId: 'usr_ada', tenantId: 'default' };
const STRANGERS: Owner[] = [
  { userId: 'usr_eve', tenantId: 'default' },
  { userId: 'usr_ada', tenantId: 'other' },
];
const NOT_FOUND = { code: 'not_found', message: 'There is no such session.' };
const NOBODYS = 'ses_01h455vb4pex5vsknk084sn02q';

onEachDatabase('sessions', (open) => {
  let database: Database;
  let repository: SessionRepository;
  let sessions: SessionsService;

  beforeEach(async () => {
    database = await open();
    repository = new SessionRepository(database);
    const watch = new ShareWatch(new ShareRepository(database));
    const agents = {
      check: (name: string) => {
        if (name !== 'helper') throw new AppError('invalid_request', `There is no agent "${name}" here.`);
      },
    };
    sessions = new SessionsService(repository, new MessageRepository(database), agents, watch);
  });
  afterEach(() => database.close());

  const hostile = {
    title: "'; drop table sessions;-- 😀 \u202e",
    system: 'é'.repeat(1_000),
    model: 'a/b:c@1',
  };
  const metadata = { text: 'a\u0000b', half: '\ud83d', list: [1, null, { deep: true }], '': 'empty name' };

  it('come back as they were given', async () => {
    const made = await sessions.create(ADA, { ...hostile, metadata });
    expect(made).toMatchObject({ ...hostile, metadata, userId: 'usr_ada', tenantId: 'default' });
    expect(await sessions.find(ADA, made.id)).toEqual(made);
    expect(Math.abs(made.createdAt - Date.now())).toBeLessThan(60_000);
    // PostgreSQL looks at its clock for each of the two.
    expect(made.updatedAt - made.createdAt).toBeLessThan(1_000);
  });

  it('without anything said have nothing set', async () => {
    expect(await sessions.create(ADA, {})).toMatchObject({
      title: null,
      model: null,
      system: null,
      metadata: {},
    });
  });

  it('are changed in what is given, and keep the rest', async () => {
    const made = await sessions.create(ADA, { ...hostile, metadata });
    const changed = await sessions.change(ADA, made.id, { title: null, metadata: { a: 1 } });
    expect(changed).toEqual({ ...made, title: null, metadata: { a: 1 }, updatedAt: changed.updatedAt });
    expect(changed.updatedAt).toBeGreaterThanOrEqual(made.updatedAt);
    expect(await sessions.change(ADA, made.id, {})).toMatchObject({
      system: hostile.system,
      metadata: { a: 1 },
    });
  });

  it('of others are as those that do not exist, to read, to change and to list', async () => {
    const { id } = await sessions.create(ADA, { title: 'secret' });
    for (const stranger of STRANGERS) {
      await expect(sessions.find(stranger, id)).rejects.toMatchObject(NOT_FOUND);
      await expect(sessions.listMessages(stranger, id)).rejects.toMatchObject(NOT_FOUND);
      await expect(sessions.change(stranger, id, { title: 'mine' })).rejects.toMatchObject(NOT_FOUND);
      await repository.delete(stranger, id, database.kysely);
      expect(await sessions.list(stranger, { limit: 100 })).toEqual({ sessions: [], nextCursor: null });
    }
    await expect(sessions.find(ADA, NOBODYS)).rejects.toMatchObject(NOT_FOUND);
    expect((await sessions.find(ADA, id)).title).toBe('secret');
  });

  it.each([
    '',
    'x',
    '../../etc/passwd',
    "' OR 1=1--",
    'ses_\u0000',
    NOBODYS.toUpperCase(),
    `{${NOBODYS}}`,
    `${NOBODYS} `,
  ])('have one form of id: %j is none', async (id) => {
    await expect(sessions.find(ADA, id)).rejects.toMatchObject(NOT_FOUND);
    await expect(sessions.change(ADA, id, {})).rejects.toMatchObject(NOT_FOUND);
    await expect(sessions.listMessages(ADA, id)).rejects.toMatchObject(NOT_FOUND);
  });

  it('are listed newest first, page by page, each once, while new ones come', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) {
      ids.unshift((await sessions.create(ADA, {})).id);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await sessions.list(ADA, { limit: 3, cursor });
      seen.push(...page.sessions.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
      await sessions.create(ADA, { title: 'new' });
    } while (cursor !== undefined);
    expect(seen).toEqual(ids);
  });

  it('have no next page after the last, also when that is full', async () => {
    for (let count = 0; count < 4; count += 1) await sessions.create(ADA, {});
    const first = await sessions.list(ADA, { limit: 2 });
    const second = await sessions.list(ADA, { limit: 2, cursor: first.nextCursor! });
    expect([first.sessions.length, second.sessions.length, second.nextCursor]).toEqual([2, 2, null]);
    expect((await sessions.list(ADA, { limit: 4 })).nextCursor).toBeNull();
  });

  it.each(['x', '', "' OR 1=1--", 'run_01h455vb4pex5vsknk084sn02q'])(
    'are not listed from %j on',
    async (cursor) => {
      await expect(sessions.list(ADA, { limit: 2, cursor })).rejects.toMatchObject({
        code: 'invalid_request',
      });
    },
  );

  it('are found by what stands in their title, in capitals or not', async () => {
    const titles = ['Plan of the Trip', 'trip costs: 100 %', 'A_B \\ C', 'Ärger über ÖL', null];
    for (const title of titles) await sessions.create(ADA, { title });
    await sessions.create(STRANGERS[0]!, { title: 'Trip of a stranger' });
    await repository.create(ADA, { title: 'Trip of a sub-agent', parentRunId: 'run_1' });
    const found = async (q: string) =>
      (await sessions.list(ADA, { limit: 100, q })).sessions.map(({ title }) => title);
    expect(await found(' TRIP ')).toEqual(['trip costs: 100 %', 'Plan of the Trip']);
    expect(await found('%')).toEqual(['trip costs: 100 %']);
    expect(await found('a_b')).toEqual(['A_B \\ C']);
    expect(await found('\\')).toEqual(['A_B \\ C']);
    expect(await found('Ärger')).toEqual(['Ärger über ÖL']);
    for (const q of ['0%', '_', "' or 1=1--", 'T%p', 't_ip', '\\%'])
      expect(await found(q)).toEqual(q === '_' ? ['A_B \\ C'] : []);
  });

  it('that are found come page by page like all others', async () => {
    for (let count = 0; count < 5; count += 1) await sessions.create(ADA, { title: `Part ${count}` });
    await sessions.create(ADA, { title: 'else' });
    const first = await sessions.list(ADA, { limit: 3, q: 'part' });
    const second = await sessions.list(ADA, { limit: 3, q: 'part', cursor: first.nextCursor! });
    expect([...first.sessions, ...second.sessions].map(({ title }) => title)).toEqual(
      [4, 3, 2, 1, 0].map((count) => `Part ${count}`),
    );
    expect(second.nextCursor).toBeNull();
  });

  it('keep the agent that they are to work with, and refuse one that is not known', async () => {
    const made = await sessions.create(ADA, { agent: 'helper' });
    expect((await sessions.find(ADA, made.id)).agent).toBe('helper');
    expect((await sessions.change(ADA, made.id, { title: 'x' })).agent).toBe('helper');
    expect((await sessions.change(ADA, made.id, { agent: null })).agent).toBeNull();
    const refused = { code: 'invalid_request', message: 'There is no agent "nobody" here.' };
    await expect(sessions.create(ADA, { agent: 'nobody' })).rejects.toMatchObject(refused);
    await expect(sessions.change(ADA, made.id, { agent: 'nobody' })).rejects.toMatchObject(refused);
  });

  it('of sub-agents are found by their id, but not in the list', async () => {
    const { id } = await sessions.create(ADA, {});
    const child = await repository.create(ADA, { title: 'Part', parentRunId: 'run_1' });
    expect(await sessions.find(ADA, child.id)).toMatchObject({ title: 'Part', parentRunId: 'run_1' });
    expect((await sessions.list(ADA, { limit: 100 })).sessions.map((session) => session.id)).toEqual([id]);
  });

  it('keep their messages in the order of runs and positions, with long texts put together', async () => {
    const messages = new MessageRepository(database);
    const { id: sessionId } = await sessions.create(ADA, {});
    const message = (runNumber: number, position: number, content: unknown[], hasParts = false) => ({
      id: newId('msg'),
      sessionId,
      runId: `run_${runNumber}`,
      runNumber,
      position,
      role: position % 2 === 0 ? ('user' as const) : ('assistant' as const),
      content: content as { type: string }[],
      hasParts,
      stopReason: position % 2 === 0 ? null : 'end_turn',
    });
    const long = message(
      1,
      1,
      [
        { type: 'text', text: 'c' },
        { type: 'tool_use', id: 'x' },
      ],
      true,
    );
    await messages.savePart(long.id, 0, 0, 'a\u0000');
    await messages.savePart(long.id, 0, 1, 'b\ud83d');
    const all = [
      message(2, 0, [{ type: 'text', text: 'again' }]),
      long,
      message(1, 0, [{ type: 'text', text: 'hello' }]),
    ];
    for (const each of all) await messages.append(ADA, database.kysely, each);

    const listed = await sessions.listMessages(ADA, sessionId);

    expect(listed.map(({ content }) => content)).toEqual([
      [{ type: 'text', text: 'hello' }],
      [
        { type: 'text', text: 'a\u0000b\ud83dc' },
        { type: 'tool_use', id: 'x' },
      ],
      [{ type: 'text', text: 'again' }],
    ]);
    expect((await messages.list(ADA, sessionId, 1)).map(({ runId }) => runId)).toEqual(['run_1', 'run_1']);
    await messages.withdraw(ADA, database.kysely, 'run_2');
    expect(await messages.list(ADA, sessionId)).toHaveLength(2);
    await messages.deleteAll(ADA, database.kysely, sessionId);
    expect(await messages.list(ADA, sessionId)).toEqual([]);
    expect(await database.acrossTenants().selectFrom('message_parts').selectAll().execute()).toEqual([]);
  });
});

it('a title is found in every alphabet, in capitals or not, in the embedded database', async () => {
  const database = await openSqlite();
  const sessions = new SessionRepository(database);
  await sessions.create(ADA, { title: 'Ärger über ПЛАН' });
  expect(await sessions.list(ADA, 10, undefined, 'ÄRGER ÜBER план')).toHaveLength(1);
  await database.close();
});
