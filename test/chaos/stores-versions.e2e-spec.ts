import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { signIn } from '../support/api.js';
import { tell } from '../support/cluster/figures.js';
import { readWhole } from '../support/cluster/invariants.js';
import { PostgresServer } from '../support/cluster/store-processes.js';
import { describeWith, Stores } from '../support/cluster/stores.js';
import { dataOf, placeOf, textOf } from '../support/event-list.js';
import { over } from '../support/over.js';
import { Stage } from './stores-stage.js';

const DUMP = join(import.meta.dirname, 'fixtures', 'n-1.sql');

interface OldRun {
  id: string;
  session_id: string;
  status: string;
  content: string;
}

describeWith(['sql'], 'what a server of the version before has left', () => {
  let postgres: PostgresServer;
  let stage: Stage | undefined;

  beforeAll(async () => {
    postgres = await PostgresServer.start();
  });

  afterEach(() => stage?.stop());

  afterAll(() => postgres?.stop());

  it('row 50: is read as it was, and finished', async () => {
    const stores = Stores.of(postgres);
    const withDump = over(stores, { newDatabase: async () => load(postgres, await stores.newDatabase()) });
    stage = await Stage.start({ postgres }, { stores: withDump });
    const runs = await stage.cluster.query<OldRun>(`
      select r.id, r.session_id, r.status, (m.content_json::json -> 0 ->> 'text') as content
      from runs r join messages m on m.run_id = r.id and m.position = 0 order by r.created_at`);
    for (const { id, session_id, content } of runs) {
      const target = { sessionId: session_id, runId: id, content };
      stage.targets.push(target);
      stage.watch(target);
    }

    const endings = await stage.expectEnds();
    const named = stage.targets.map(({ content }, n) => `${content.split(':')[0]} ${endings[n]}`);
    expect(named).toEqual([
      'over completed',
      'over again completed',
      'cancelled cancelled',
      'half completed',
      'behind completed',
    ]);
    await expectOldIds(stage);
    const half = await resumed(stage, 3, 22);
    expect(dataOf(half.find(({ event }) => event === 'reset')).after).toMatch(/\.1\.16$/);
    expect((await resumed(stage, 0, 5)).every(({ id }) => placeOf(id).attempt === 1)).toBe(true);
    expect(await signIn(stage.cluster.nodes[0]!.url)).toContain('session=');
    tell(
      `row 50: ${runs.length} runs that a server of the version before left, 2 of them open: all read, all ended`,
    );
  });
});

/** What is in the dump, as if its server had died a minute ago: runs and logs are not kept for ever. */
const A_MINUTE_OLD = `
  with shift as (select (extract(epoch from now()) * 1000)::bigint - 60000 - max(created_at) as ms from public.runs)
  update public.runs set created_at = created_at + ms, started_at = started_at + ms, ended_at = ended_at + ms,
    lease_until = lease_until + ms from shift`;

async function load(postgres: PostgresServer, name: string): Promise<string> {
  const client = new Client({ connectionString: postgres.url.replace(/postgres$/, name) });
  await client.connect();
  await client.query(readFileSync(DUMP, 'utf8'));
  await client.query(A_MINUTE_OLD);
  await client.end();
  return name;
}

/** What the old server showed has kept its ids. */
async function expectOldIds(stage: Stage): Promise<void> {
  const pages = await stage.cluster.query<{ run_id: string; seq: number }>(
    'select run_id, max(last_seq)::int as seq from run_pages where attempt = 1 group by run_id',
  );
  for (const target of stage.targets) {
    const ofOld = pages.find(({ run_id }) => run_id === target.runId)?.seq ?? 0;
    const log = await readWhole(stage.cluster.api(0), target);
    expect(log.slice(0, ofOld).every(({ id }) => placeOf(id).attempt === 1)).toBe(true);
    expect(textOf(log)).not.toBe('');
  }
}

/** Who saw the first events of a run from the old server gets the others, and nothing before them. */
async function resumed(stage: Stage, index: number, seq: number) {
  const target = stage.targets[index]!;
  const log = await readWhole(stage.cluster.api(0), target);
  const cursor = `${target.runId}.1.${seq}`;
  const rest = await stage.cluster.api(1).read({ session_id: target.sessionId, last_event_id: cursor });
  expect(rest.blocks.every(({ id }) => id !== undefined)).toBe(true);
  expect(rest.events).toEqual(log.slice(seq));
  return rest.events;
}
