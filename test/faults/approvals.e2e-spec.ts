import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api, expectStatus, type RunBody } from '../support/api.js';
import { dataOf, faultsOf, toolFaultsOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { Random } from '../support/random.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';

const KILLS = 8;

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;
const folder = mkdtempSync(join(tmpdir(), 'agentline-effects-'));
const file = join(folder, 'effects');

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  server = await ServerProcess.start({
    command: [process.execPath, '--max-semi-space-size=32', 'test/support/faults/tool-server.mjs'],
    env: { ...upstreamEnv(upstream.url), EFFECTS_FILE: file, LEASE_MS: '1000' },
  });
  ada = await Api.as(server.url, 'ada');
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The message names what is to be signed, one call for each word. */
function answer({ body }: UpstreamCall): Reply {
  if (body.messages.length > 1) return { sse: textReply(['Signed.']) };
  const words = String(blocksOf(body.messages[0]!)[0]?.['text']).split(' ');
  return {
    sse: toolReply(
      [],
      words.map((text) => ({ id: `toolu_${text}`, name: 'sign', input: { text } })),
    ),
  };
}

const effectsOf = (text: string): number =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line === text).length
    : 0;

async function waitingRun(content: string): Promise<RunBody> {
  const { id } = await ada.post(await ada.createSession(), content);
  return until('the run to wait', async () => {
    const run = await ada.run(id);
    return run.status === 'waiting' ? run : undefined;
  });
}

async function approve(run: RunBody, text: string): Promise<void> {
  const path = `/api/agent/runs/${run.id}/tool_calls/toolu_${text}/decision`;
  expectStatus(await ada.call('POST', path, { decision: 'approve' }), 200);
}

async function wholeList(run: RunBody): Promise<ViewedEvent[]> {
  const { events } = await ada.read({ session_id: run.session_id, run_id: run.id });
  expect(faultsOf(events)).toEqual([]);
  expect(toolFaultsOf(events)).toEqual([]);
  return events;
}

describe('row 5: a server that is killed while a run waits for approval', () => {
  it('row 5: finds it waiting, and goes on when it is approved: one execution, one request, one list', async () => {
    const run = await waitingRun('contract');
    const before = await ada.open({ session_id: run.session_id });
    await before.nextWhere(({ event, data }) => event === 'run' && data.includes('waiting'));
    await server.crash();
    await before.ended;
    await server.restart();
    expect((await ada.run(run.id)).status).toBe('waiting');
    const after = await ada.open({ session_id: run.session_id }, { lastEventId: before.events.at(-1)!.id });

    const decidedAt = performance.now();
    await approve(run, 'contract');
    await after.nextWhere(({ event }) => event === 'tool_result');
    const ms = performance.now() - decidedAt;
    await after.ended;

    const list = await wholeList(run);
    expect([...before.events, ...after.events]).toEqual(list);
    expect(list.filter(({ event }) => event === 'approval')).toHaveLength(1);
    expect([effectsOf('contract'), (await ada.run(run.id)).status]).toEqual([1, 'completed']);
    process.stdout.write(`row 5 (SQLite): executed once, seen ${Math.round(ms)} ms after the decision\n`);
    expect(ms).toBeLessThan(5_000);
  });

  it('row 5: keeps a decision that it had taken, while another is still open', async () => {
    const run = await waitingRun('first second');
    await approve(run, 'second');
    await server.crash();
    await server.restart();
    expect([(await ada.run(run.id)).status, effectsOf('second')]).toEqual(['waiting', 0]);

    await approve(run, 'first');

    expect((await ada.settled(run.id)).status).toBe('completed');
    expect([effectsOf('first'), effectsOf('second')]).toEqual([1, 1]);
    await wholeList(run);
  });

  it(`row 5: killed ${KILLS} times right after a decision, it executes each call once at most`, async () => {
    const random = Random.printed('approvals');
    const found = { once: 0, later: 0, unknown: 0 };
    for (let kill = 0; kill < KILLS; kill += 1) {
      const text = `paper${kill}`;
      const run = await waitingRun(text);
      await approve(run, text);
      if (kill > 0) await delay(random.between(0, 25));
      await server.crash();
      const isLater = effectsOf(text) === 0;
      await server.restart();

      expect((await ada.settled(run.id)).status).toBe('completed');

      const list = await wholeList(run);
      const { is_error: isError, result } = dataOf(list.find(({ event }) => event === 'tool_result'));
      expect(list.filter(({ event }) => event === 'approval')).toHaveLength(1);
      expect(effectsOf(text)).toBeLessThanOrEqual(1);
      if (isError) expect(result).toMatch(/^Outcome unknown/);
      else expect([result, effectsOf(text)]).toEqual(['noted', 1]);
      found[isError ? 'unknown' : isLater ? 'later' : 'once'] += 1;
    }
    process.stdout.write(
      `row 5 (SQLite): ${KILLS} kills after a decision: ${found.once} executed before it, ${found.later} after the restart, ` +
        `${found.unknown} of unknown outcome, 0 twice\n`,
    );
    expect(upstream.complaints).toEqual([]);
  });
});
