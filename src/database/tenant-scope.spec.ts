import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Insertable, type Kysely, sql } from 'kysely';
import { onEachDatabase } from '../../test/support/databases.js';
import type { Database } from './database.js';
import type { Schema } from './schema.js';
import { type SharedSchema, TENANT_TABLES } from './tenant-tables.js';

type OwnedTable = Exclude<keyof Schema, keyof SharedSchema>;
type AnyRow = Record<string, unknown>;

/** Rows of a tenant, each of them named by it, and a column that anybody may change. A new table needs one, too. */
const ROWS: { [T in OwnedTable]: (of: string) => { row: Insertable<Schema[T]>; changeable: string } } = {
  users: (of) => ({
    row: { id: `usr_${of}`, tenant_id: of, email: of, password_hash: '', roles_json: '[]', created_at: 1 },
    changeable: 'roles_json',
  }),
  identities: (of) => ({
    row: { issuer: 'https://id.test', subject: of, user_id: `usr_${of}`, created_at: 1 },
    changeable: 'created_at',
  }),
  api_keys: (of) => ({
    row: {
      id: `key_${of}`,
      tenant_id: of,
      user_id: `usr_${of}`,
      name: '',
      secret_hash: of,
      scopes_json: '[]',
      hint: '',
      created_by: '',
      created_at: 1,
    },
    changeable: 'revoked_at',
  }),
  audit_events: (of) => ({
    row: {
      id: `aud_${of}`,
      at: 1,
      tenant_id: of,
      actor_id: null,
      actor_via: null,
      key_id: null,
      action: 'x',
      target: null,
      outcome: 'allowed',
      code: null,
      remote_address: null,
      user_agent: null,
      request_id: null,
      details_json: null,
      count: 1,
    },
    changeable: '',
  }),
  sessions: (of) => ({
    row: {
      id: `ses_${of}`,
      tenant_id: of,
      user_id: `usr_${of}`,
      title: null,
      model: null,
      system: null,
      metadata_json: '{}',
      created_at: 1,
      updated_at: 1,
    },
    changeable: 'updated_at',
  }),
  session_shares: (of) => ({
    row: { session_id: `ses_${of}`, tenant_id: of, user_id: '*', created_at: 1 },
    changeable: 'created_at',
  }),
  threads: (of) => ({
    row: {
      tenant_id: of,
      user_id: `usr_${of}`,
      kind: 'ai-sdk',
      client_id: 'chat-1',
      session_id: `ses_${of}`,
      created_at: 1,
    },
    changeable: 'session_id',
  }),
  runs: (of) => ({
    row: {
      id: `run_${of}`,
      tenant_id: of,
      user_id: `usr_${of}`,
      session_id: `ses_${of}`,
      number: 1,
      status: 'completed',
      attempt: 1,
      model: 'm',
      principal_json: '{}',
      on_disconnect: 'continue',
      usage_json: '{}',
      created_at: 1,
    },
    changeable: 'turns',
  }),
  messages: (of) => ({
    row: {
      id: `msg_${of}`,
      session_id: `ses_${of}`,
      run_id: `run_${of}`,
      run_number: 1,
      position: 0,
      role: 'user',
      content_json: '[]',
      has_parts: 0,
      created_at: 1,
    },
    changeable: 'run_number',
  }),
  message_parts: (of) => ({
    row: { message_id: `msg_${of}`, block: 0, position: 0, text: '""' },
    changeable: 'text',
  }),
  tool_calls: (of) => ({
    row: {
      run_id: `run_${of}`,
      tool_call_id: 't',
      name: 'n',
      args_hash: '',
      idempotency_key: '',
      state: 'started',
      started_at: 1,
    },
    changeable: 'started_at',
  }),
  idempotency_keys: (of) => ({
    row: {
      tenant_id: of,
      user_id: `usr_${of}`,
      key: 'k',
      fingerprint: '',
      run_id: `run_${of}`,
      created_at: 1,
    },
    changeable: 'fingerprint',
  }),
  run_pages: (of) => ({
    row: { run_id: `run_${of}`, first_seq: 1, last_seq: 1, attempt: 1, size: 1, events: 'x' },
    changeable: 'size',
  }),
  run_inputs: (of) => ({
    row: { message_id: `msg_in_${of}`, run_id: `run_${of}`, content_json: '[]', created_at: 1 },
    changeable: 'content_json',
  }),
  model_calls: (of) => ({
    row: {
      id: `call_${of}`,
      tenant_id: of,
      user_id: `usr_${of}`,
      session_id: `ses_${of}`,
      run_id: `run_${of}`,
      root_run_id: `run_${of}`,
      attempt: 1,
      kind: 'turn',
      model: 'm',
      state: 'spent',
      started_at: 1,
    },
    changeable: 'state',
  }),
  compactions: (of) => ({
    row: {
      id: `cmp_${of}`,
      session_id: `ses_${of}`,
      run_id: `run_${of}`,
      run_number: 1,
      position: 0,
      summary: '',
      created_at: 1,
    },
    changeable: 'summary',
  }),
  run_frames: (of) => ({ row: { run_id: `run_${of}`, frame_json: '{}' }, changeable: 'frame_json' }),
  workspace_reads: (of) => ({
    row: { session_id: `ses_${of}`, path: 'a', sha256: '' },
    changeable: 'sha256',
  }),
  workspace_changes: (of) => ({
    row: {
      run_id: `run_${of}`,
      session_id: `ses_${of}`,
      path: 'a',
      before_text: null,
      before_sha256: null,
      created_at: 1,
    },
    changeable: 'reverted_at',
  }),
};

const TABLES = Object.keys(ROWS) as OwnedTable[];
const ACME = { tenantId: 'acme' };

/** As the tests need it: a table by its name, columns by theirs. */
const loose = (handle: Kysely<Schema>) => handle as unknown as Kysely<Record<string, AnyRow>>;
const rowOf = (table: OwnedTable, of: string): AnyRow => ({ ...ROWS[table](of).row });
const findOne = (handle: Kysely<Schema>) =>
  handle.selectFrom('sessions').selectAll().where('id', '=', 'ses_acme').executeTakeFirst();

/** Microseconds of one question. */
async function timeOf(ask: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let n = 0; n < 500; n += 1) await ask();
  return (performance.now() - start) * 2;
}

onEachDatabase('a handle of one tenant', (open) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
  });
  afterAll(() => database.close());

  const all = (table: string) =>
    loose(database.acrossTenants()).selectFrom(table).selectAll().orderBy(ownerColumn(table)).execute();

  const mine = () => loose(database.of(ACME));

  beforeEach(async () => {
    for (const table of TABLES.toReversed()) {
      // The audit is append-only, for everybody.
      if (table !== 'audit_events') await loose(database.acrossTenants()).deleteFrom(table).execute();
    }
    for (const table of TABLES) {
      const rows = ['acme', 'globex'].map((of) => rowOf(table, of));
      await loose(database.acrossTenants())
        .insertInto(table)
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  });

  it('knows every table that belongs to somebody', () => {
    const owned = Object.entries(TENANT_TABLES).filter(([, belonging]) => belonging !== null);
    expect(TABLES.toSorted()).toEqual(owned.map(([table]) => table).toSorted());
  });

  describe.each(TABLES)('%s', (table) => {
    it('has the rows of that tenant alone', async () => {
      expect(await mine().selectFrom(table).selectAll().execute()).toMatchObject([rowOf(table, 'acme')]);
      expect(await mine().selectFrom(`${table} as t`).selectAll().execute()).toHaveLength(1);
      const { count } = await mine()
        .selectFrom(table)
        .select(sql<number>`cast(count(*) as integer)`.as('count'))
        .executeTakeFirstOrThrow();
      expect(count).toBe(1);
    });

    it('changes no row of another', async () => {
      const { changeable } = ROWS[table]('acme');
      if (changeable === '') return;
      const before = await all(table);
      const value = typeof before[0]![changeable] === 'string' ? 'changed' : 7;
      const { numUpdatedRows } = await mine()
        .updateTable(table)
        .set({ [changeable]: value })
        .where((eb) => eb.or([eb.val(true), eb.val(true)]))
        .executeTakeFirst();
      expect(numUpdatedRows).toBe(1n);
      expect(await all(table)).toEqual([{ ...before[0], [changeable]: value }, before[1]]);
    });

    it('loses no row of another', async () => {
      if (table === 'audit_events') return;
      await mine().deleteFrom(table).execute();
      expect(await all(table)).toMatchObject([rowOf(table, 'globex')]);
    });

    it('takes nothing for another', async () => {
      const before = await all(table);
      if (table !== 'audit_events') {
        await loose(database.acrossTenants())
          .deleteFrom(table)
          .where(ownerColumn(table), 'like', '%globex')
          .execute();
      }
      const insert = async () => mine().insertInto(table).values(rowOf(table, 'globex')).execute();
      // SQLite takes null for the key of run_frames: that is a row of nobody, which nobody finds.
      if (table === 'run_frames') await insert().catch(() => undefined);
      else await expect(insert()).rejects.toThrow();
      const after = (await all(table)).filter((row) => row[ownerColumn(table)] !== null);
      expect(after).toEqual(table === 'audit_events' ? before : before.slice(0, 1));
    });

    it('takes what is its own', async () => {
      if (table === 'audit_events') return;
      await loose(database.acrossTenants()).deleteFrom(table).execute();
      // What it hangs on is there, or it is refused like that of another.
      await mine().insertInto(table).values(rowOf(table, 'acme')).execute();
      expect(await all(table)).toMatchObject([rowOf(table, 'acme')]);
    });
  });

  it('sees nothing of others through joins, subqueries, unions and negations', async () => {
    const own = database.of(ACME);
    const joined = own
      .selectFrom('sessions as s')
      .leftJoin('runs as r', (join) => join.on(sql<boolean>`true or true`))
      .select(['s.id', 'r.id as run']);
    expect(await joined.execute()).toEqual([{ id: 'ses_acme', run: 'run_acme' }]);
    const without = own
      .selectFrom('sessions')
      .leftJoin('runs', (join) => join.onRef('runs.session_id', '=', 'sessions.id').on('runs.number', '=', 9))
      .select(['sessions.id', 'runs.id as run']);
    expect(await without.execute()).toEqual([{ id: 'ses_acme', run: null }]);
    const inner = own
      .selectFrom((eb) => eb.selectFrom('messages').select('messages.id').as('m'))
      .select('m.id');
    expect(await inner.execute()).toEqual([{ id: 'msg_acme' }]);
    const lists = own
      .selectFrom('runs')
      .select('id')
      .where('session_id', 'in', database.acrossTenants().selectFrom('sessions').select('id'))
      .where((eb) => eb.or([eb('id', '<>', 'x'), eb.not(eb.exists(eb.selectFrom('runs').select('id')))]));
    expect(await lists.execute()).toEqual([{ id: 'run_acme' }]);
    const union = own
      .selectFrom('runs')
      .select('id')
      .unionAll(database.acrossTenants().selectFrom('sessions').select('id'))
      .execute();
    expect((await union).map(({ id }) => id).toSorted()).toEqual(['run_acme', 'ses_acme']);
  });

  it('narrows a subquery that was made for another tenant to nothing', async () => {
    const theirs = database.of({ tenantId: 'globex' }).selectFrom('sessions').select('id');
    expect(
      await database.of(ACME).selectFrom('runs').select('id').where('session_id', 'in', theirs).execute(),
    ).toEqual([]);
  });

  it('leaves a row of another that stands in the way as it is', async () => {
    const row = { ...ROWS.users('acme').row, id: 'usr_new', email: 'globex', roles_json: '["admin"]' };
    const insert = database
      .of(ACME)
      .insertInto('users')
      .values(row)
      .onConflict((conflict) => conflict.column('email').doUpdateSet({ roles_json: '["admin"]' }));
    expect((await insert.executeTakeFirst()).numInsertedOrUpdatedRows).toBe(0n);
    expect(await all('users')).toMatchObject([{ roles_json: '[]' }, { roles_json: '[]' }]);
  });

  it('works inside a transaction, and with it', async () => {
    const work = database.transaction(async (trx) => {
      await database.of(ACME, trx).updateTable('sessions').set({ title: 'mine' }).execute();
      expect(await database.of(ACME, trx).selectFrom('sessions').select('title').execute()).toEqual([
        { title: 'mine' },
      ]);
      throw new Error('undone');
    });
    await expect(work).rejects.toThrow('undone');
    expect(await all('sessions')).toMatchObject([{ title: null }, { title: null }]);
  });

  describe('refuses, before the database is asked,', () => {
    const refused: Record<string, () => Promise<unknown>> = {
      'raw SQL': () => sql`select * from runs`.execute(mine()),
      'raw SQL that reads a table inside a query': () =>
        mine()
          .selectFrom('runs')
          .selectAll()
          .where(sql<boolean>`exists (select 1 from sessions)`)
          .execute(),
      'a table by raw SQL': () =>
        mine()
          .selectFrom(sql<AnyRow>`runs`.as('r'))
          .selectAll()
          .execute(),
      'a table that is not known': () => mine().selectFrom('kysely_migration').selectAll().execute(),
      'a table of another schema': () => mine().selectFrom('main.runs').selectAll().execute(),
      'a right join': () =>
        mine()
          .selectFrom('runs')
          .rightJoin('sessions', 'sessions.id', 'runs.session_id')
          .selectAll()
          .execute(),
      'a cross join': () => mine().selectFrom('runs').crossJoin('sessions').selectAll().execute(),
      'a common table expression': () =>
        mine()
          .with('x', (db) => db.selectFrom('runs').selectAll())
          .selectFrom('x')
          .selectAll()
          .execute(),
      'an insert of what is selected': () =>
        mine()
          .insertInto('run_frames')
          .columns(['run_id', 'frame_json'])
          .expression((eb) => eb.selectFrom('runs').select(['id', 'model']))
          .execute(),
      'an insert without the tenant': () =>
        mine().insertInto('sessions').values({ id: 'ses_x', user_id: 'u' }).execute(),
      'to hand a row to another tenant': () =>
        mine().updateTable('sessions').set({ tenant_id: 'globex' }).execute(),
      'to hand a row to another tenant where one stands in the way': () =>
        mine()
          .insertInto('sessions')
          .values({ id: 'ses_x', tenant_id: 'acme', user_id: 'u' })
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ tenant_id: 'globex' }))
          .execute(),
      'a name that its own conditions have': () => mine().selectFrom('runs as owner').selectAll().execute(),
      'such a name in a join': () =>
        mine()
          .selectFrom('messages')
          .innerJoin('sessions as owner_of', 'owner_of.id', 'messages.session_id')
          .selectAll('messages')
          .execute(),
      'to change tables': () => mine().schema.dropTable('runs').execute(),
    };

    it.each(Object.entries(refused))('%s', async (_name, ask) => {
      await expect((async () => ask())()).rejects.toThrow('A handle of one tenant refuses');
    });
  });

  it('is not to be forgotten: without it a query of such a table does not compile', async () => {
    const { kysely } = database;
    const forgotten = async (): Promise<void> => {
      // @ts-expect-error of a tenant
      kysely.selectFrom('sessions');
      // @ts-expect-error of a tenant
      kysely.insertInto('runs');
      // @ts-expect-error of a tenant
      kysely.updateTable('api_keys');
      // @ts-expect-error hangs on a session
      kysely.deleteFrom('messages');
      // @ts-expect-error of a tenant
      kysely.selectFrom('logins').innerJoin('users', 'users.id', 'logins.user_id');
      // @ts-expect-error of a tenant
      await database.transaction((trx) => trx.selectFrom('idempotency_keys').execute());
    };
    expect(forgotten).toBeInstanceOf(Function);
    expect(await kysely.selectFrom('budgets').selectAll().execute()).toEqual([]);
  });

  it('costs some microseconds', async () => {
    const plain = () =>
      database
        .acrossTenants()
        .selectFrom('sessions')
        .selectAll()
        .where('id', '=', 'ses_acme')
        .where('tenant_id', '=', 'acme')
        .executeTakeFirst();
    const hanging = () =>
      database.of(ACME).selectFrom('tool_calls').selectAll().where('run_id', '=', 'run_acme').execute();
    const unscoped = () =>
      database
        .acrossTenants()
        .selectFrom('tool_calls')
        .selectAll()
        .where('run_id', '=', 'run_acme')
        .execute();
    const asks = [plain, () => findOne(database.of(ACME)), unscoped, hanging];
    const times = [];
    for (const ask of [...asks, ...asks]) times.push(await timeOf(ask));
    const [byHand, scoped, across, through] = times.slice(4).map((value) => Math.round(value));
    process.stdout.write(
      `a session by id: ${byHand} µs with the tenant written by hand, ${scoped} µs scoped; calls of a run: ${across} µs, scoped ${through} µs\n`,
    );
    expect(await plain()).toEqual(await findOne(database.of(ACME)));
  });
});

/** What is named by the tenant in the rows above. */
function ownerColumn(table: string): string {
  return (TENANT_TABLES as Record<string, { column: string } | null>)[table]?.column ?? 'id';
}
