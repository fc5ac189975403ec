import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { PostgresDatabase } from './postgres-database.js';

const address = process.env['TEST_DATABASE_URL'] ?? '';

/** What a process hears of one topic, and when it has heard so many. */
function ear(database: PostgresDatabase, topic: 'log' | 'cancel') {
  const heard: (readonly string[] | 'unknown')[] = [];
  let waiting: { fits: () => boolean; resolve: () => void } | undefined;
  database.notices.listen(topic, (ids) => {
    heard.push(ids);
    if (waiting?.fits() === true) waiting.resolve();
  });
  const until = (fits: () => boolean) =>
    fits() ? Promise.resolve() : new Promise<void>((resolve) => (waiting = { fits, resolve }));
  return { heard, ids: () => heard.flat().filter((id) => id !== 'unknown'), until };
}

async function breakListeners(): Promise<void> {
  const client = new Client({ connectionString: address });
  await client.connect();
  await client.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where query in ('listen agentline', 'select 1') and datname = current_database() and pid <> pg_backend_pid()`);
  await client.end();
}

describe('notices over PostgreSQL', () => {
  let sender: PostgresDatabase;
  let hearer: PostgresDatabase;

  beforeAll(async () => {
    sender = new PostgresDatabase(address);
    await sender.open();
  });
  afterEach(() => hearer.close());
  afterAll(() => sender.close());

  async function open(): Promise<PostgresDatabase> {
    hearer = new PostgresDatabase(address);
    await hearer.open();
    return hearer;
  }

  it('reach other processes, each id once, and not their sender', async () => {
    const { ids, until } = ear(await open(), 'log');
    const own = ear(sender, 'log');
    const sent = Array.from({ length: 450 }, (_, n) => `run_${n}`);

    for (const id of [...sent, ...sent]) sender.notices.send('log', id);
    await until(() => ids().length >= sent.length);

    expect(ids()).toEqual(sent);
    expect(own.heard).toEqual([]);
  });

  it('reach only who listens to their topic', async () => {
    const log = ear(await open(), 'log');
    const cancel = ear(hearer, 'cancel');

    sender.notices.send('log', 'a');
    sender.notices.send('cancel', 'b');
    await Promise.all([log.until(() => log.ids().length > 0), cancel.until(() => cancel.ids().length > 0)]);

    expect(log.ids()).toEqual(['a']);
    expect(cancel.ids()).toEqual(['b']);
  });

  it('go on after the connection broke, and listeners are told that something may be missing', async () => {
    const { heard, ids, until } = ear(await open(), 'log');
    expect(hearer.notices.isLive).toBe(true);

    await breakListeners();
    await until(() => heard.includes('unknown'));
    sender.notices.send('log', 'after');
    await until(() => ids().includes('after'));

    expect(heard.indexOf('unknown')).toBeLessThan(heard.findIndex((one) => one.includes('after')));
    expect(hearer.notices.isLive).toBe(true);
  });

  it('of others on the same channel are passed over', async () => {
    const { heard, until } = ear(await open(), 'log');
    const client = new Client({ connectionString: address });
    await client.connect();
    for (const text of ['no JSON', 'null', '[]', '{"topic":"log"}', '{"from":"x","topic":"log","ids":"y"}']) {
      await client.query('select pg_notify($1, $2)', ['agentline', text]);
    }
    await client.end();

    sender.notices.send('log', 'good');
    await until(() => heard.length > 0);

    expect(heard).toEqual([['good']]);
  });
});
