import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { tell } from '../support/cluster/figures.js';
import { readWhole } from '../support/cluster/invariants.js';
import { PostgresServer, RedisServer } from '../support/cluster/store-processes.js';
import { describeWith } from '../support/cluster/stores.js';
import { dataOf, faultsOf, placeOf, textOf } from '../support/event-list.js';
import { until } from '../support/until.js';
import { Stage } from './stores-stage.js';
import { textOfTalk } from './stores-talk.js';

const SECOND = 1_000;
/** Four seconds of words. */
const TALK = { turns: 1, words: 80, paceMs: 25 };

describeWith(['redis'], 'Redis under faults', () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  let stage: Stage | undefined;

  beforeAll(async () => {
    // Times are scaled down: leases of 1.5 s instead of 10.
    postgres = await PostgresServer.start();
    redis = await RedisServer.start({ appendonly: 'yes' });
  });

  afterEach(async () => {
    redis.resume();
    stage?.clear();
    if (stage?.isSound === true) return;
    await stage?.stop();
    stage = undefined;
    await redis.restart();
  });

  afterAll(async () => {
    await stage?.stop();
    await redis?.stop();
    await postgres?.stop();
  });

  /** The same servers for all stories, as long as these end well. */
  async function start(): Promise<Stage> {
    stage ??= await Stage.start({ postgres, redis }, { proxied: true });
    return stage;
  }

  it('row 13: away for 3 s (of 10): runs go on after it, nothing is lost', async () => {
    const stage = await start();
    for (const node of [0, 1]) await stage.run(`13-${node}`, TALK, node);
    await stage.isUnderWay();

    const from = performance.now();
    await redis.shutDown();
    await delay(3 * SECOND - (performance.now() - from));
    await redis.restart();
    const up = performance.now();

    await stage.expectWhole();
    const resumed = stage.resumedAfter(up);
    tell(
      `row 13: Redis away for ${Math.round(up - from)} ms: 0 lost of ${stage.events} seen, resumed ${Math.round(resumed)} ms after its return`,
    );
    expect(resumed).toBeLessThanOrEqual(5 * SECOND);
  });

  it('row 14: killed and restarted with what it kept: viewers notice nothing', async () => {
    const stage = await start();
    for (const node of [0, 1]) await stage.run(`14-${node}`, TALK, node);
    await stage.isUnderWay();

    await redis.crash();
    await redis.restart();
    const up = performance.now();

    await stage.expectWhole();
    const resumed = stage.resumedAfter(up);
    tell(`row 14: Redis killed: 0 lost of ${stage.events} seen, resumed after ${Math.round(resumed)} ms`);
    expect(resumed).toBeLessThanOrEqual(5 * SECOND);
  });

  it('row 15: restarted empty in the middle of runs: every viewer is told, and all hold the same in the end', async () => {
    const stage = await start();
    const before = await stage.run('15-before', { turns: 1, words: 5, paceMs: 1 });
    await stage.expectWhole();
    const old = stage.viewers[0]!.events;
    stage.clear();
    for (const node of [0, 1]) await stage.run(`15-${node}`, TALK, node, { mayLose: true });
    await stage.isUnderWay();

    await redis.crash();
    await redis.restart({ empty: true });

    await stage.expectWhole();
    const told = stage.viewers.filter(({ losses }) => losses.length > 0).length;
    expect(told).toBe(stage.viewers.length);
    await expectRestored(stage, before, old.at(-2)!.id);
    tell(
      `row 15: Redis came back empty: ${told} of ${stage.viewers.length} viewers told, 0 silent gaps; a run that was ` +
        'over is read from its messages',
    );
  });

  it('row 16: came back without its last entries: who saw them is told, and nobody has a gap', async () => {
    const forgetful = await RedisServer.start({ appendonly: 'no' });
    const stage = await Stage.start({ postgres, redis: forgetful });
    try {
      for (const node of [0, 1]) await stage.run(`16-${node}`, TALK, node, { mayLose: true });
      await stage.isUnderWay();
      const kept = await lastSeqs(stage);
      await command(forgetful, (client) => client.save());
      await until('more to be seen', () =>
        stage.viewers.every(({ list }, n) => placeOf(list.at(-1)!.id).seq >= kept[n]! + 10),
      );

      await forgetful.crash();
      await forgetful.restart();

      await stage.expectWhole();
      const told = stage.viewers.filter(({ losses }) => losses.length > 0).length;
      expect(told).toBe(stage.viewers.length);
      tell(
        `row 16: Redis came back without its tail: ${told} of ${stage.viewers.length} viewers told, 0 silent gaps`,
      );
    } finally {
      await stage.stop();
      await forgetful.stop();
    }
  });

  it('row 17: connections of a reader that are silent for ever: it notices, and its viewers go on', async () => {
    const stage = await start();
    await stage.run('17', TALK, 0);
    await stage.isUnderWay();
    const owner = (await stage.cluster.ownerOf(stage.targets[0]!.runId))!.index;
    const way = stage.cluster.ways[1 - owner]!.redis!;

    way.strand();
    const from = performance.now();

    await stage.expectWhole();
    const there = stage.viewers.filter(({ node }) => node !== owner);
    const ends = there.map(({ list }) => list.find(({ at }) => at > from + 100)?.at ?? from);
    const noticed = Math.max(...ends) - from;
    tell(
      `row 17: Redis connections silent for ever under a blocking read: noticed after ${Math.round(noticed)} ms`,
    );
    expect(noticed).toBeLessThanOrEqual(30 * SECOND);
  });

  it('row 17: nothing of Redis arrives for 10 s (of 60): all go on after it', async () => {
    const stage = await start();
    for (const node of [0, 1]) await stage.run(`17-hole-${node}`, TALK, node);
    await stage.isUnderWay();

    for (const { redis: way } of stage.cluster.ways) way!.blackHole();
    await delay(10 * SECOND);
    for (const { redis: way } of stage.cluster.ways) way!.heal();
    const healed = performance.now();

    await stage.expectWhole();
    const resumed = stage.resumedAfter(healed);
    tell(`row 17: Redis a black hole for 10 s: 0 lost, resumed after ${Math.round(resumed)} ms`);
    expect(resumed).toBeLessThanOrEqual(10 * SECOND);
  });

  it.each(['redis', 'postgres'] as const)(
    'row 24: one server cut off from %s alone: its runs go on elsewhere, and nothing old is written',
    async (store) => {
      const stage = await start();
      for (const name of ['a', 'b', 'c']) await stage.run(`24-${store}-${name}`, TALK, 0);
      await stage.isUnderWay();
      const cutOff = (await stage.cluster.ownerOf(stage.targets[0]!.runId))!.index;
      const way = stage.cluster.ways[cutOff]![store]!;

      way.blackHole();
      const from = performance.now();
      const elsewhere = stage.viewers.filter(({ node }) => node !== cutOff);
      await until(
        'the runs to go on elsewhere',
        () => elsewhere.every(({ list }) => list.some(({ at, id }) => at > from && placeOf(id).attempt > 1)),
        20 * SECOND,
      );
      const tookOver = performance.now() - from;
      await delay(SECOND);
      way.heal();

      await stage.expectWhole();
      tell(
        `row 24 (cut off from ${store}, log in Redis): taken over after ${Math.round(tookOver)} ms, 0 old writes`,
      );
      expect(tookOver).toBeLessThanOrEqual(15 * SECOND);
    },
  );
});

/** A run that was over before the log was lost: an old cursor is told, then gets the run as its messages tell it. */
async function expectRestored(stage: Stage, target: Stage['targets'][number], cursor: string): Promise<void> {
  const { sessionId, runId, content } = target;
  for (const node of [0, 1]) {
    const api = stage.cluster.api(node);
    const stream = await api.read({ session_id: sessionId, run_id: runId, last_event_id: cursor });
    const [first] = stream.blocks;
    expect([stream.status, first?.event, first?.id]).toEqual([200, 'reset', undefined]);
    expect(dataOf(first).after).toBeNull();
    expect(faultsOf(stream.events)).toEqual([]);
    expect(textOf(stream.events)).toBe(textOfTalk(content));
    expect(await readWhole(api, target)).toEqual(stream.events);
  }
}

async function lastSeqs(stage: Stage): Promise<number[]> {
  return stage.viewers.map(({ list }) => placeOf(list.at(-1)!.id).seq);
}

async function command<T>(redis: RedisServer, call: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.port, '127.0.0.1');
  try {
    return await call(client);
  } finally {
    client.disconnect();
  }
}
