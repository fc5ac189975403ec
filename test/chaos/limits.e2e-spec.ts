import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { Api } from '../support/api.js';
import { Cluster } from '../support/cluster/cluster.js';
import { asking, byPlan } from '../support/cluster/plan.js';
import type { SseStream } from '../support/sse-client.js';
import { until } from '../support/until.js';

const LIMITS = { user: { requests_per_minute: 400, streams: 9, runs: 5 } };
/** A limit below 40 is asked for one by one; of a larger one a node may hold a twentieth that it does not use. */
const HELD = 400 / 20;

describe('two servers with limits on one PostgreSQL', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({
      log: 'sql',
      nodes: 2,
      script: byPlan,
      env: { LIMITS: JSON.stringify(LIMITS), TITLE_MODEL: 'none' },
    });
  });
  afterAll(() => cluster?.stop());

  /** One user's calls of both servers. */
  const user = (name: string) => Promise.all(cluster.nodes.map(({ url }) => Api.as(url, name)));
  const lasting = asking('lasting', [{ words: 2_000, paceMs: 50 }]);

  it('let a user do as many requests a minute as allowed, whichever server is asked', async () => {
    const apis = await user('requests');
    const beganAt = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, lane) => {
        const seen: number[] = [];
        for (let n = 0; n < 30; n += 1) seen.push((await apis[lane % 2]!.call('GET', '/api/auth/me')).status);
        return seen;
      }),
    );
    const allowed = answers.flat().filter((status) => status === 200).length;

    expect(answers.flat().filter((status) => ![200, 429].includes(status))).toEqual([]);
    expect(performance.now() - beganAt).toBeLessThan(60_000);
    expect(allowed).toBeLessThanOrEqual(400);
    expect(allowed).toBeGreaterThanOrEqual(400 - HELD);
  });

  it('let a user have as many open runs as allowed', async () => {
    const apis = await user('runs');
    const sessions = await Promise.all(Array.from({ length: 20 }, (_, n) => apis[n % 2]!.createSession()));
    const started = await Promise.all(
      sessions.map((id, n) =>
        apis[n % 2]!.call('POST', `/api/agent/sessions/${id}/messages`, { content: lasting }),
      ),
    );
    expect(started.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      ...Array<number>(5).fill(202),
      ...Array<number>(15).fill(429),
    ]);
  });

  it('let a user have as many streams as allowed, and the others when one server dies', async () => {
    const [one, other] = await user('streams');
    const sessionId = await one!.createSession();
    const query = { session_id: sessionId };
    const wave = await Promise.all(Array.from({ length: 24 }, (_, n) => (n % 2 ? one! : other!).open(query)));
    await until('those beyond the limit to be over', async () => (await open(wave)).length <= 9);
    expect((await open(wave)).length).toBe(9);

    await cluster.nodes[0]!.kill();
    const left = await until(
      'the streams of the dead server to be free',
      async () => {
        // Slowly: asking is bounded as well.
        await delay(1_000);
        const more = await Promise.all(Array.from({ length: 9 }, () => other!.open(query)));
        wave.push(...more);
        const alive = await open(wave);
        return alive.length >= 9 ? alive : undefined;
      },
      30_000,
    );
    expect(left.length).toBe(9);
    for (const stream of wave) stream.cut();
  });
});

/** Streams that go on; those of the refused have ended without an event. */
async function open(streams: readonly SseStream[]): Promise<SseStream[]> {
  const states = await Promise.all(
    streams.map(async (stream) => {
      const end = await Promise.race([stream.ended, delay(100, 'open')]);
      return end === 'open' ? [stream] : [];
    }),
  );
  return states.flat();
}
