import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../test/support/databases.js';
import type { Owner } from '../auth/principal.js';
import type { Database } from '../database/database.js';
import { newId } from '../database/ids.js';
import { Forks } from './forks.service.js';
import type { Block } from './message.js';
import { MessageRepository } from './message.repository.js';
import { SessionRepository } from './session.repository.js';

const ADA: Owner = { userId: 'usr_ada', tenantId: 'default' };
const EVE: Owner = { userId: 'usr_eve', tenantId: 'default' };
const FIELDS = { title: 'First', model: 'm', system: 'Be brief.', agent: 'plan', metadata: { a: [1] } };

const text = (said: string): Block[] => [{ type: 'text', text: said }];
const HISTORY: Block[][][] = [
  [
    text('hello'),
    [...text('end'), { type: 'tool_use', id: 't1', name: 'x', input: {} }],
    [{ type: 'tool_result', tool_use_id: 't1', content: 'ok' }],
    text('done'),
  ],
  [text('again'), text('sure')],
];

onEachDatabase('a fork', (open) => {
  let database: Database;
  let sessions: SessionRepository;
  let messages: MessageRepository;
  let forks: Forks;
  let origin: string;
  let ids: string[];

  beforeEach(async () => {
    database = await open();
    sessions = new SessionRepository(database);
    messages = new MessageRepository(database);
    forks = new Forks(database, sessions, messages);
    origin = (await sessions.create(ADA, FIELDS)).id;
    ids = [];
    for (const [run, contents] of HISTORY.entries()) {
      for (const [position, content] of contents.entries()) await add(run + 1, position, content);
    }
  });
  afterEach(() => database.close());

  async function add(runNumber: number, position: number, content: Block[]): Promise<void> {
    const id = newId('msg');
    const hasParts = position === 1 && runNumber === 1;
    if (hasParts) await messages.savePart(id, 0, 0, 'a long text and its ');
    ids.push(id);
    await messages.append(ADA, database.kysely, {
      id,
      sessionId: origin,
      runId: `run_${runNumber}`,
      runNumber,
      position,
      role: position % 2 === 0 ? 'user' : 'assistant',
      content,
      hasParts,
      stopReason: position % 2 === 0 ? null : 'end_turn',
      prefixHash: position % 2 === 0 ? null : 'p',
    });
  }

  const placesOf = async (sessionId: string) =>
    (await messages.list(ADA, sessionId)).map(({ runNumber, position }) => [runNumber, position]);

  it('is a session of its own with the whole history, whatever becomes of the first', async () => {
    const fork = await forks.create(ADA, origin, undefined);
    const before = await messages.list(ADA, origin);
    await messages.deleteAll(ADA, database.kysely, origin);
    await sessions.delete(ADA, origin, database.kysely);

    const copied = await messages.list(ADA, fork.id);
    expect(await sessions.find(ADA, fork.id)).toMatchObject({ ...FIELDS, parentRunId: null });
    expect(
      copied.map(({ role, content, stopReason, prefixHash }) => ({ role, content, stopReason, prefixHash })),
    ).toEqual(
      before.map(({ role, content, stopReason, prefixHash }) => ({ role, content, stopReason, prefixHash })),
    );
    expect(copied[1]?.content[0]).toEqual({ type: 'text', text: 'a long text and its end' });
    expect(copied.map(({ createdAt }) => createdAt)).toEqual(before.map(({ createdAt }) => createdAt));
    expect(copied.every(({ id, runId }) => !ids.includes(id) && runId === fork.id)).toBe(true);
    expect(await placesOf(fork.id)).toEqual([0, 1, 2, 3, 4, 5].map((position) => [0, position]));
  });

  it('ends with the message that is named, but never between a call and its result', async () => {
    for (const [named, kept] of [
      [0, 1],
      [1, 3],
      [3, 4],
      [4, 5],
    ] as const) {
      const fork = await forks.create(ADA, origin, ids[named]);
      expect(await messages.list(ADA, fork.id)).toHaveLength(kept);
    }
  });

  it('can be forked again, and beside another fork of the same session', async () => {
    const [one, two] = [await forks.create(ADA, origin, ids[3]), await forks.create(ADA, origin, ids[3])];
    const again = await forks.create(ADA, one.id, undefined);
    expect(await messages.list(ADA, again.id)).toHaveLength(4);
    expect(await messages.list(ADA, two.id)).toHaveLength(4);
  });

  it('of an empty session is empty', async () => {
    const empty = await sessions.create(ADA, {});
    expect(await messages.list(ADA, (await forks.create(ADA, empty.id, undefined)).id)).toEqual([]);
  });

  it('takes along the summary that reaches furthest, but none that reaches beyond the cut', async () => {
    const at = { sessionId: origin, runId: 'run_1', summary: 'short' };
    await messages.addCompaction(ADA, database.kysely, { ...at, id: 'cmp_1', runNumber: 1, position: 2 });
    await messages.addCompaction(ADA, database.kysely, {
      ...at,
      id: 'cmp_2',
      runNumber: 2,
      position: 0,
      summary: 'shorter',
    });
    const summaryOf = async (upTo: string | undefined) => {
      const fork = await forks.create(ADA, origin, upTo);
      const found = await messages.findCompaction(ADA, fork.id);
      return found && [found.summary, found.runNumber, found.position];
    };
    expect(await summaryOf(undefined)).toEqual(['shorter', 0, 4]);
    expect(await summaryOf(ids[3])).toEqual(['short', 0, 2]);
    expect(await summaryOf(ids[0])).toBeUndefined();
  });

  it('is refused for a session or a message that is not there for the one who asks', async () => {
    await expect(forks.create(EVE, origin, undefined)).rejects.toMatchObject({ code: 'not_found' });
    await expect(forks.create(ADA, 'ses_\0', undefined)).rejects.toMatchObject({ code: 'not_found' });
    const other = await sessions.create(ADA, {});
    await expect(forks.create(ADA, other.id, ids[0])).rejects.toMatchObject({
      code: 'not_found',
      message: 'There is no such message in this session.',
    });
  });
});
