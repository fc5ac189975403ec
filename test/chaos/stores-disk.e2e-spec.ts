import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Api, type Answer } from '../support/api.js';
import { tell } from '../support/cluster/figures.js';
import { PostgresServer, SmallDisk } from '../support/cluster/store-processes.js';
import { describeWith } from '../support/cluster/stores.js';
import { dataOf, faultsOf, textOf } from '../support/event-list.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import type { SseStream } from '../support/sse-client.js';
import { upstreamEnv } from '../support/test-env.js';
import { until, within } from '../support/until.js';
import { Stage } from './stores-stage.js';
import { answerTalk, askFor, textOfTalk } from './stores-talk.js';

const SECOND = 1_000;
const TALK = { turns: 1, words: 400, paceMs: 20 };
const QUICK = { turns: 0, words: 3, paceMs: 1 };

const endings: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

function smallDisk(megabytes: number): SmallDisk {
  const disk = SmallDisk.make(megabytes);
  endings.push(() => disk.remove());
  return disk;
}

/** A disk of its own is mounted, which takes root: elsewhere these are skipped, but not in CI. */
const withDisk = SmallDisk.isPossible || process.env['CI'] ? it : it.skip;

/** A server whose data is on the disk, and its model. */
async function serverOn(disk: SmallDisk) {
  const upstream = await FakeUpstream.start(answerTalk);
  endings.push(() => upstream.stop());
  const env = { ...upstreamEnv(upstream.url), LOG_LEVEL: 'warn' };
  const server = await ServerProcess.start({ dataDir: disk.folder, env });
  endings.push(() => server.stop());
  return { upstream, server, api: await Api.as(server.url, 'ada') };
}

describe('SQLite on a disk that is full', () => {
  withDisk(
    'row 22: the run fails and says why, new work is refused, and all works again once there is space',
    async () => {
      const disk = smallDisk(16);
      const { upstream, server, api } = await serverOn(disk);

      const figures = await fillAndFree(api, disk).catch((error: Error) => {
        throw new Error(`${error.message}\n${server.stdout}${server.stderr}`);
      });

      expect(upstream.complaints).toEqual([]);
      await server.crash();
      expect(integrityOf(disk.folder)).toEqual(['ok']);
      await server.restart();
      await expectQuick(api);
      tell(`row 22 (SQLite, disk of 16 MB): ${figures}, 0 corrupt rows`);
    },
  );
});

describe('SQLite on a disk that is full when the server starts', () => {
  withDisk('row 22: what was said is read, new work is refused, and all works again with space', async () => {
    const disk = smallDisk(16);
    const { server, api } = await serverOn(disk);
    const session = await api.createSession();
    const run = await api.post(session, askFor('22-start', { ...TALK, words: 200 }));
    const viewer = await api.open({ session_id: session });
    await until('the run to have said something', () => viewer.events.length > 30);
    await server.crash();
    const said = viewer.events.map(({ id }) => id);
    disk.fill();

    await server.restart();
    const reader = await api.open({ session_id: session });
    await until('what was said', () => reader.events.length >= said.length);
    expect(reader.events.slice(0, said.length).map(({ id }) => id)).toEqual(said);
    const refusals = new Set<number>();
    for (let n = 0; n < 5; n += 1)
      await until('a refusal', async () => refused(await ask(api, session), refusals));
    expect([...refusals]).toContain(507);
    disk.free();
    await api.settled(run.id);
    await expectQuick(api);
    await server.crash();
    expect(integrityOf(disk.folder)).toEqual(['ok']);
  });

  withDisk('row 22: a new one has no place for its tables, and says in one line what to do', async () => {
    const disk = smallDisk(4);
    disk.fill();

    await expect(ServerProcess.start({ dataDir: disk.folder, env: { LOG_LEVEL: 'fatal' } })).rejects.toThrow(
      /^the server ended: Agentline cannot start: [^\n]+: make room in DATA_DIR\.\n?$/,
    );
  });
});

describeWith(['sql'], 'PostgreSQL on a disk that is full', () => {
  withDisk('row 22: the same when its data have no space left', async () => {
    const disk = smallDisk(96);
    const postgres = await PostgresServer.start({
      dataFolder: disk.folder,
      settings: ['synchronous_commit=on'],
    });
    endings.push(() => postgres.stop());
    const stage = await Stage.start({ postgres }, { nodes: 1 });
    endings.push(() => stage.stop());

    const figures = await fillAndFree(stage.cluster.api(0), disk);

    expect(postgres.output).not.toContain('PANIC');
    tell(`row 22 (PostgreSQL, data on a disk of 96 MB): ${figures}`);
  });

  withDisk(
    'row 22: when its write-ahead log has none, it ends; all works again once it is back',
    async () => {
      const disk = smallDisk(48);
      const postgres = await PostgresServer.start({
        walFolder: disk.folder,
        settings: ['synchronous_commit=on'],
      });
      endings.push(() => postgres.stop());
      const stage = await Stage.start({ postgres }, { nodes: 1 });
      endings.push(() => stage.stop());
      await stage.run('22-wal', { ...TALK, words: 150 });
      await stage.isUnderWay();

      disk.fill();
      // The next segment of 16 MB has no place: PostgreSQL panics, and cannot recover without one either.
      await stage.cluster.query('select pg_switch_wal()').catch(() => undefined);
      await until('PostgreSQL to give up', () => !postgres.isRunning, 30 * SECOND);
      expect(postgres.output).toContain('PANIC');
      const refused = await ask(stage.cluster.api(0), stage.targets[0]!.sessionId);
      expect([refused.status, refused.headers.has('retry-after')]).toEqual([503, true]);
      disk.free();
      await postgres.restart();
      const up = performance.now();

      // Whether it still said that there is no space, or had ended before: the run fails with that, or goes on.
      const ending = await stage.expectWholeOr('storage_full');
      const resumed = stage.resumedAfter(up);
      tell(
        `row 22 (PostgreSQL, log on a full disk: it panics): 0 lost, ${ending.join(', ')} ` +
          `${Math.round(resumed)} ms after its return`,
      );
      expect(resumed).toBeLessThanOrEqual(5 * SECOND);
      await expectQuick(stage.cluster.api(0));
    },
  );
});

/** Takes the disk's space from a run that speaks, gives it back, and tells how that went. */
async function fillAndFree(api: Api, disk: SmallDisk): Promise<string> {
  const session = await api.createSession();
  // Long enough to be under way until there is no space left for it, however long that takes.
  const run = await api.post(session, askFor('22', { ...TALK, words: 2_000 }));
  const viewer = await api.open({ session_id: session });
  await until('the run to be under way', () => viewer.events.length > 10);
  const other = await api.createSession();

  disk.fill();
  const from = performance.now();
  const refusals = new Set<number>();
  await until('new work to be refused', async () => refused(await ask(api, other), refusals));
  const refusedAfter = performance.now() - from;
  expect((await api.open({ session_id: other })).status).toBe(200);
  // Whatever had a place yet is used up by asking: from now on nothing is taken.
  for (let n = 0; n < 5; n += 1)
    await until('a refusal', async () => refused(await ask(api, other), refusals));
  disk.free();
  const freed = performance.now();

  await within(20 * SECOND, 'the end of the run', viewer.ended);
  await expectFailed(api, viewer, run.id);
  const told = performance.now() - freed;
  await expectQuick(api);
  const works = performance.now() - freed;
  expect(works).toBeLessThanOrEqual(10 * SECOND);
  return (
    `new work refused with ${[...refusals].join(', ')} after ${Math.round(refusedAfter)} ms; ` +
    `failed with storage_full ${Math.round(told)} ms and another run complete ${Math.round(works)} ms after space`
  );
}

function refused({ status, headers }: Answer, statuses: Set<number>): boolean {
  if (status === 202) return false;
  expect([503, 507]).toContain(status);
  if (status === 503) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  statuses.add(status);
  return true;
}

async function expectFailed(api: Api, viewer: SseStream, runId: string): Promise<void> {
  expect(faultsOf(viewer.events)).toEqual([]);
  expect(dataOf(viewer.events.at(-2))).toMatchObject({ code: 'storage_full' });
  expect(dataOf(viewer.events.at(-1)).status).toBe('failed');
  const run = await api.settled(runId);
  expect([run.status, run.last_event_id]).toEqual(['failed', viewer.events.at(-1)!.id]);
  expect((await api.read({ session_id: run.session_id })).events).toEqual(viewer.events);
}

async function expectQuick(api: Api): Promise<void> {
  const session = await api.createSession();
  const content = askFor('22-after', QUICK);
  const run = await api.post(session, content);
  expect((await api.settled(run.id)).status).toBe('completed');
  expect(textOf((await api.read({ session_id: session })).events)).toBe(textOfTalk(content));
}

function ask(api: Api, session: string): Promise<Answer> {
  return api.call('POST', `/api/agent/sessions/${session}/messages`, { content: askFor('22-more', QUICK) });
}

/** What SQLite says of its file, once no server has it. */
function integrityOf(folder: string): unknown[] {
  const database = new DatabaseSync(join(folder, 'agentline.sqlite'));
  try {
    return database
      .prepare('pragma integrity_check')
      .all()
      .map((row) => row['integrity_check']);
  } finally {
    database.close();
  }
}
