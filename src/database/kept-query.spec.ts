import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../test/support/databases.js';
import { type Database, KeptQuery } from './database.js';

const ada = { tenantId: 'tenant_a' };
const eve = { tenantId: 'tenant_e' };

onEachDatabase('a kept query', (open) => {
  let database: Database;
  let made = 0;
  const add = new KeptQuery((tables, { id, title }: { id: string; title: string | null }, { tenantId }) => {
    made += 1;
    return tables
      .insertInto('sessions')
      .values({
        id,
        tenant_id: tenantId,
        user_id: 'usr_1',
        title,
        metadata_json: '{}',
        created_at: 1,
        updated_at: 1,
      })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ title }));
  });
  const titles = new KeptQuery((tables, { least }: { least: string }) =>
    tables.selectFrom('sessions').select('title').where('id', '>=', least).orderBy('id'),
  );
  const titlesOf = async (owner: typeof ada) =>
    (await titles.ask(database, owner, { least: '' })).rows.map(({ title }) => title);

  beforeEach(async () => {
    database = await open();
    made = 0;
  });
  afterEach(() => database.close());

  it('is made once, and answers each tenant with its own rows alone', async () => {
    await add.ask(database, ada, { id: 'a', title: 'of Ada' });
    await add.ask(database, eve, { id: 'e', title: null });
    await add.ask(database, ada, { id: 'b', title: 'of Ada, too' });

    expect(made).toBe(1);
    expect(await titlesOf(ada)).toEqual(['of Ada', 'of Ada, too']);
    expect(await titlesOf(eve)).toEqual([null]);
  });

  it('changes no row of another tenant', async () => {
    await add.ask(database, ada, { id: 'a', title: 'of Ada' });
    const { numAffectedRows } = await add.ask(database, eve, { id: 'a', title: 'of Eve' });

    expect(numAffectedRows).toBe(0n);
    expect(await titlesOf(ada)).toEqual(['of Ada']);
    expect(await titlesOf(eve)).toEqual([]);
  });

  it('belongs to the transaction that it is asked in', async () => {
    const undone = database.transaction(async (trx) => {
      await add.ask(database, ada, { id: 'a', title: 'of Ada' }, trx);
      throw new Error('undone');
    });

    await expect(undone).rejects.toThrow('undone');
    expect(await titlesOf(ada)).toEqual([]);
  });

  it('is not asked without one of its values', async () => {
    const nothing = {} as { least: string };

    expect(() => titles.ask(database, ada, nothing)).toThrow('without its value least');
  });

  it('refuses what a handle of one tenant refuses', () => {
    const foreign = new KeptQuery((tables, { id }: { id: string }) =>
      tables.insertInto('sessions').values({
        id,
        tenant_id: 'tenant_e',
        user_id: 'usr_1',
        metadata_json: '{}',
        created_at: 1,
        updated_at: 1,
      }),
    );

    expect(() => foreign.ask(database, ada, { id: 'a' })).toThrow('to make something for another tenant');
  });
});
