import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { Api } from '../support/api.js';
import { scale, spread } from '../support/cluster/figures.js';
import { faultsOf, placeOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { Random } from '../support/random.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';
import { until, within } from '../support/until.js';

const KILLS = scale('DATABASE_KILLS', 8);
const WRITERS = 4;
const TIME_MS = 60_000 + KILLS * 10_000;

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(() => ({ sse: textReply(['a ', 'b ', 'c ']) }));
  server = await ServerProcess.start({ env: upstreamEnv(upstream.url) });
  ada = await Api.as(server.url, 'ada');
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
});

/** What the server has said is stored. */
interface Acknowledged {
  sessions: Map<string, string>;
  titles: Map<string, string>;
  runs: Set<string>;
  events: ViewedEvent[];
}

/** Writes as fast as it is answered, until there are enough kills; whatever fails, fails with the server. */
async function write(stored: Acknowledged, over: { isOver: boolean }): Promise<void> {
  while (!over.isOver) {
    try {
      const title = `title ${stored.sessions.size}`;
      const session = await ada.createSession({ title });
      stored.sessions.set(session, title);
      const changed = `${title}, changed`;
      const { status } = await ada.call('PATCH', `/api/agent/sessions/${session}`, { title: changed });
      if (status === 200) stored.titles.set(session, changed);
      const run = await ada.post(session, 'please');
      stored.runs.add(run.id);
      const viewer = await ada.open({ session_id: session });
      await viewer.ended;
      stored.events.push(...viewer.events);
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      const isGone =
        message === 'fetch failed' || message === 'terminated' || /ECONN|EPIPE/.test(String(code));
      if (!isGone) throw error;
      await delay(10);
    }
  }
}

describe(`row 23: the embedded database of a server that is killed ${KILLS} times while it writes`, () => {
  it(
    'row 23: opens every time, and has all that was acknowledged',
    async () => {
      const random = Random.printed('embedded database');
      const stored: Acknowledged = { sessions: new Map(), titles: new Map(), runs: new Set(), events: [] };
      const over = { isOver: false };
      const writing = Promise.all(Array.from({ length: WRITERS }, () => write(stored, over)));
      const opened: number[] = [];
      try {
        for (let kills = 0; kills < KILLS; kills += 1) {
          await delay(random.between(20, 250));
          await server.crash();
          const from = performance.now();
          server.launch();
          await until('the server to be back', () => server.isReady(), 60_000);
          opened.push(performance.now() - from);
        }
      } finally {
        over.isOver = true;
      }
      await within(60_000, 'the writers to end', writing);

      expect(await lostOf(stored)).toEqual([]);
      await server.crash();
      expect(integrityOf(server.dataDir)).toEqual(['ok']);
      const { sessions, runs, events } = stored;
      process.stdout.write(
        `embedded database: ${KILLS} kills, 0 lost of ${sessions.size} sessions, ${runs.size} runs and ${events.length} events; ` +
          `open again after ${spread(opened)}\n`,
      );
      expect(runs.size).toBeGreaterThan(KILLS);
    },
    TIME_MS,
  );
});

/** What was acknowledged and is not there any more, or is different. */
async function lostOf({ sessions, titles, runs, events }: Acknowledged): Promise<string[]> {
  const lost: string[] = [];
  for (const [id, title] of sessions) {
    const { status, body } = await ada.call('GET', `/api/agent/sessions/${id}`);
    const changed = titles.get(id);
    const isKept =
      changed === undefined ? String(body['title']).startsWith(title) : body['title'] === changed;
    if (status !== 200 || !isKept) lost.push(`${id}: ${status} ${String(body['title'])}`);
  }
  const logs = new Map<string, ViewedEvent[]>();
  for (const id of runs) {
    const { session_id, status } = await ada.settled(id);
    if (status !== 'completed') lost.push(`${id} is ${status}`);
    const log = (await ada.read({ session_id, run_id: id })).events;
    lost.push(...faultsOf(log));
    logs.set(id, log);
  }
  for (const event of events) {
    const { runId, seq } = placeOf(event.id);
    const kept = logs.get(runId)?.[seq - 1];
    if (kept?.id !== event.id || kept.data !== event.data) lost.push(`${event.id} is ${kept?.id}`);
  }
  return lost;
}

/** What SQLite itself finds wrong with the files that the killed server left. */
function integrityOf(folder: string): unknown[] {
  const file = readdirSync(folder).find((name) => /\.(db|sqlite3?)$/.test(name))!;
  const database = new DatabaseSync(join(folder, file));
  try {
    return database
      .prepare('pragma integrity_check')
      .all()
      .map((row) => row['integrity_check']);
  } finally {
    database.close();
  }
}
