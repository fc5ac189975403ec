import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api, expectStatus, type RunBody } from '../support/api.js';
import { faultsOf, textOf, toolFaultsOf } from '../support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { Random } from '../support/random.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';
import { within } from '../support/until.js';
import { watchBySocket, watchBySse, type Sighting } from './viewers.js';

const KILLS = 30;
const TURNS = 8;
const LANES = 3;

interface Story {
  session: string;
  run: RunBody;
  sse: Sighting;
  socket: Sighting;
}

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  server = await ServerProcess.start({ env: upstreamEnv(upstream.url) });
  ada = await Api.as(server.url, 'ada');
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
});

const words = (turn: number) => Array.from({ length: 12 }, (_, n) => `${turn}.${n} `);
const ANSWER = Array.from({ length: TURNS + 1 }, (_, turn) => words(turn).join('')).join('');

/** Turn after turn of paced words, each ending in a tool call, then words alone. */
function answer(call: UpstreamCall): Reply {
  const turn = call.body.messages.filter((message) => message.role === 'assistant').length;
  if (turn === TURNS) return { sse: textReply(words(turn)), paceMs: 15 };
  const asked = String(blocksOf(call.body.messages[0]!)[0]?.['text']);
  return {
    sse: toolReply(words(turn), [{ id: `toolu_${asked}_${turn}`, name: 'get_time', input: {} }]),
    paceMs: 15,
  };
}

describe(`a server that is killed ${KILLS} times`, () => {
  it('loses nothing, repeats nothing, and finishes every run', async () => {
    const random = Random.printed('kill');
    const killed = { times: 0 };
    const stories: Story[] = [];
    const lanes = Array.from({ length: LANES }, async (_, lane) => {
      for (let n = 0; n === 0 || killed.times < KILLS; n += 1) stories.push(await tell(`${lane}-${n}`));
    });
    for (; killed.times < KILLS; killed.times += 1) {
      const starting = random.between(1, 5) === 1;
      if (!starting) await server.becomesReady();
      await delay(random.between(0, 700));
      await server.crash();
      server.launch();
    }
    await server.becomesReady();
    await within(90_000, 'all runs to end', Promise.all(lanes));

    for (const story of stories) await expectUnharmed(story);
    expect(upstream.complaints).toEqual([]);
    const resets = stories.flatMap(({ sse }) => sse.list.filter((event) => event.event === 'reset')).length;
    const events = stories.reduce((sum, { sse }) => sum + sse.list.length, 0);
    process.stdout.write(
      `kill: ${killed.times} kills, ${stories.length} runs, ${events} events, ${resets} resets, 0 lost, 0 doubled\n`,
    );
    expect(resets).toBeGreaterThan(0);
  });
});

/** Starts a run and watches it to its end, over all kills in between. */
async function tell(name: string): Promise<Story> {
  const session = await insist(() => ada.createSession());
  const path = `/api/agent/sessions/${session}/messages`;
  const run = await insist(async () => {
    const answered = await ada.call<{ run: RunBody }>(
      'POST',
      path,
      { content: name },
      { 'idempotency-key': name },
    );
    return expectStatus(answered, 202).body.run;
  });
  const [sse, socket] = await Promise.all([watchBySse(ada, session), watchBySocket(ada, run.id)]);
  return { session, run, sse, socket };
}

async function expectUnharmed({ session, run, sse, socket }: Story): Promise<void> {
  expect(sse.problems).toEqual([]);
  expect(socket.problems).toEqual([]);
  expect(faultsOf(sse.list)).toEqual([]);
  expect(toolFaultsOf(sse.list)).toEqual([]);
  expect(textOf(sse.list)).toBe(ANSWER);
  expect(socket.list).toEqual(sse.list);
  expect((await ada.read({ session_id: session })).events).toEqual(sse.list);
  expect((await ada.run(run.id)).status).toBe('completed');
}

/** Calls again while there is no server. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      // `fetch` throws a TypeError of the realm outside of Jest's: `instanceof` does not know it.
      if ((error as Error).message !== 'fetch failed') throw error;
      await delay(20);
    }
  }
}
