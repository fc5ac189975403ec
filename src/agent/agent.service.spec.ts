import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { openSqlite } from '../../test/support/databases.js';
import { ADA, RunBench } from '../../test/support/runs/run-bench.js';
import type { Principal } from '../auth/principal.js';
import type { RunEvent } from '../event-log/run-event.js';
import type { Run } from '../runs/run.js';
import { LogRestorer } from '../runs/log-restorer.service.js';
import type { NextRuns } from '../runs/next-runs.service.js';
import type { RunsService } from '../runs/runs.service.js';
import type { RunStart } from '../runs/run-starter.service.js';
import { ShareWatch } from '../sessions/shares/share-watch.service.js';
import { ShareRepository } from '../sessions/shares/share.repository.js';
import { SessionsService } from '../sessions/sessions.service.js';
import { Shutdown } from '../telemetry/shutdown.js';
import { AgentService, type StartRequest } from './agent.service.js';
import { ViewReader } from './follow/view-reader.service.js';
import { isViewerReset, type FollowRequest } from './view-plan.js';

const ADA_HERE: Principal = { ...ADA, via: 'bearer', loginId: null, expiresAt: null };
const EVE_HERE: Principal = { ...ADA_HERE, userId: 'usr_eve' };
const END = {
  status: 'completed',
  stopReason: 'end_turn',
  errorCode: null,
} as const;

/** The runs of a bench, with nobody who works on them. */
class IdleRuns implements Pick<RunsService, 'start' | 'find' | 'cancel'>, Pick<NextRuns, 'wait'> {
  readonly started: RunStart[] = [];
  readonly cancelled: string[] = [];
  readonly waited: number[] = [];
  next: (after: number) => Promise<Run | undefined> = async () => undefined;

  constructor(private readonly bench: RunBench) {}

  async start(start: RunStart): Promise<Run> {
    this.started.push(start);
    return this.bench.queue(start);
  }

  async find(_owner: unknown, id: string): Promise<Run> {
    return this.bench.find(id);
  }

  async cancel(_owner: unknown, id: string): Promise<never> {
    this.cancelled.push(id);
    throw new Error('the database is away');
  }

  async wait(_owner: unknown, _sessionId: string, after: number): Promise<Run | undefined> {
    this.waited.push(after);
    return this.next(after);
  }
}

Logger.overrideLogger(false);

let bench: RunBench;
let runs: IdleRuns;
let shutdown: Shutdown;
let agent: AgentService;
let sessionId: string;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  runs = new IdleRuns(bench);
  shutdown = new Shutdown();
  const restorer = new LogRestorer(bench.log, bench.runs, bench.messages, bench.ledger);
  const next = runs as unknown as NextRuns;
  agent = new AgentService(
    new SessionsService(
      bench.sessions,
      bench.messages,
      bench.agents,
      new ShareWatch(new ShareRepository(bench.database)),
    ),
    runs as unknown as RunsService,
    bench.runs,
    bench.log,
    new ViewReader(bench.log, restorer, bench.runs, next),
    shutdown,
  );
  sessionId = await bench.newSession();
});

afterEach(async () => {
  jest.useRealTimers();
  await bench.database.close();
});

const token = (text: string): RunEvent => ({ type: 'token', data: { text } });

/** A run of the session with its words in the log, and, when it is `over`, with its end. */
async function runWith(
  words: string[],
  { over = true, ...start }: Partial<RunStart> & { over?: boolean } = {},
): Promise<Run> {
  const run = await bench.begin({ sessionId, ...start });
  const writer = await bench.log.writer(run.id, run.attempt);
  for (const word of words) await writer.append(token(word));
  if (over) {
    await writer.end(
      {
        type: 'done',
        data: { status: 'completed', stop_reason: 'end_turn', usage: run.usage, cost_usd: null },
      },
      () =>
        bench.runs.settle(run, {
          ...END,
          usage: run.usage,
          cost: run.cost,
          lastEventId: writer.lastEventId ?? '',
        }),
    );
  }
  writer.close();
  return run;
}

/** What a viewer is shown, as words; numbers of runs are put before them. */
async function shown(
  request: Partial<FollowRequest> = {},
  signal = new AbortController().signal,
): Promise<string[] | 'over'> {
  const view = await agent.follow(ADA_HERE, { sessionId, follow: false, ...request });
  if (view === 'over') return 'over';
  const seen: string[] = [];
  for await (const batch of view.batches(signal)) {
    if (isViewerReset(batch)) seen.push(`reset ${batch.reset.after}`);
    else
      for (const { entries } of batch)
        for (const { type, data } of entries)
          seen.push(type === 'token' ? (JSON.parse(data) as { text: string }).text : type);
  }
  return seen;
}

describe('a viewer', () => {
  it('is shown the latest run to its end, or what follows its cursor', async () => {
    const first = await runWith(['a', 'b']);
    const second = await runWith(['c', 'd']);

    expect(await shown()).toEqual(['c', 'd', 'done']);
    expect(await shown({ runId: first.id })).toEqual(['a', 'b', 'done']);
    expect(await shown({ cursor: `${first.id}.1.1` })).toEqual(['b', 'done']);
    expect(await shown({ cursor: `${second.id}.1.2` })).toEqual(['done']);
    expect(await shown({ cursor: `${second.id}.1.3` })).toBe('over');
    expect(await shown({ cursor: `${second.id}.1.4` })).toEqual(['reset null', 'c', 'd', 'done']);
    expect(await shown({ cursor: `${first.id}.1.1`, runId: second.id })).toEqual([
      'reset null',
      'c',
      'd',
      'done',
    ]);
    expect(runs.waited).toEqual([]);
  });

  it('that follows is shown run after run, each from its first event', async () => {
    const first = await runWith(['a', 'b']);
    const second = await runWith(['c']);
    const third = await runWith(['d']);
    runs.next = async (after) => [second, third].find(({ number }) => number > after);

    expect(await shown({ follow: true, cursor: `${first.id}.1.1` })).toEqual([
      'b',
      'done',
      'c',
      'done',
      'd',
      'done',
    ]);
    expect(runs.waited).toEqual([1, 2, 3]);
  });

  it('that follows a session at rest waits for the run after the latest', async () => {
    await runWith(['a']);
    await runWith(['b']);
    expect(await shown({ follow: true })).toEqual([]);
    expect(runs.waited).toEqual([2]);
  });

  it('of a session without runs waits for the first, and ends with it', async () => {
    let run: Run | undefined;
    runs.next = async () => (run ??= await runWith(['a']));
    expect(await shown({ cursor: 'nonsense' })).toEqual(['reset null', 'a', 'done']);
    expect(runs.waited).toEqual([0]);
  });

  it('that has left is shown nothing more, and nothing waits for it', async () => {
    await runWith(['a'], { over: false });
    const left = new AbortController();
    left.abort();
    expect(await shown({ follow: true }, left.signal)).toEqual([]);
    expect(runs.waited).toEqual([]);
  });

  it('finds nothing of others, and no run under a name that is none', async () => {
    const run = await runWith(['a']);
    const notFound = { code: 'not_found' };
    await expect(agent.follow(EVE_HERE, { sessionId, follow: false })).rejects.toMatchObject(notFound);
    const elsewhere = await bench.newSession();
    await expect(
      agent.follow(ADA_HERE, { sessionId: elsewhere, runId: run.id, follow: false }),
    ).rejects.toMatchObject(notFound);
    // PostgreSQL refuses NUL in a text: it must never be asked for one.
    const asked: string[] = [];
    bench.runs.find = async (_owner, id) => {
      asked.push(id);
      return undefined;
    };
    await expect(agent.follow(ADA_HERE, { sessionId, runId: 'run_\0', follow: false })).rejects.toMatchObject(
      notFound,
    );
    expect(asked).toEqual([]);
  });

  it('is told the last event of a run that is still going on, too', async () => {
    const open = await runWith(['a', 'b'], { over: false });
    expect(await agent.lastEventId(await bench.find(open.id))).toBe(`${open.id}.1.2`);
    expect(await agent.lastEventId(await bench.queue())).toBeNull();
  });
});

const start = (request: Partial<StartRequest>) => agent.start(ADA_HERE, { content: 'hello', ...request });

describe('a start', () => {
  it('in a session of somebody else is refused, as unknown or as only shown, and leaves nothing', async () => {
    const ask = () => agent.start(EVE_HERE, { content: 'hello', sessionId });
    await expect(ask()).rejects.toMatchObject({ code: 'not_found' });
    await new ShareRepository(bench.database).replace(ADA_HERE, sessionId, ['usr_eve']);
    await expect(ask()).rejects.toMatchObject({ code: 'forbidden' });
    expect(await bench.runs.list(ADA_HERE, sessionId)).toEqual([]);
  });

  it('makes text a block, and keeps of who starts it what its tools need', async () => {
    await start({ sessionId });
    expect(runs.started).toEqual([
      {
        principal: ADA,
        sessionId,
        content: [{ type: 'text', text: 'hello' }],
        whenBusy: 'queue',
        onDisconnect: 'continue',
        idempotency: null,
      },
    ]);
  });

  it.each<[string, Partial<StartRequest>, string]>([
    ['of a million bytes of text', { content: 'x'.repeat(1_000_000) }, 'payload_too_large'],
    ['of fewer characters that are as many bytes', { content: '漢'.repeat(333_334) }, 'payload_too_large'],
    [
      'of a million bytes in blocks',
      { content: [1, 2].map(() => ({ type: 'text', text: 'x'.repeat(500_000) })) },
      'payload_too_large',
    ],
    ['in a session of nobody', { sessionId: 'ses_01h455vb4pex5vsknk084sn02q' }, 'not_found'],
    ['in a session under no possible name', { sessionId: 'ses_\0' }, 'not_found'],
  ])('%s is refused and starts nothing', async (_name, request, code) => {
    await expect(start(request)).rejects.toMatchObject({ code });
    expect(await bench.database.acrossTenants().selectFrom('runs').select('id').execute()).toEqual([]);
  });

  it('one byte below a million is taken', async () => {
    await start({ content: 'x'.repeat(999_999) });
    expect(runs.started).toHaveLength(1);
  });

  it('while the server drains is refused, with the time after which to try again', async () => {
    shutdown.begin();
    await expect(start({})).rejects.toMatchObject({ code: 'draining', retryAfter: 5 });
  });

  it('with a key is known again by everything that would make it another one', async () => {
    const same: Partial<StartRequest>[] = [{ sessionId }, { sessionId, agent: undefined }];
    const others: Partial<StartRequest>[] = [
      {},
      { sessionId, content: 'hello ' },
      { sessionId, whenBusy: 'reject' },
      { sessionId, onDisconnect: 'cancel' },
    ];
    for (const request of [...same, ...others]) {
      await start({ ...request, idempotencyKey: 'key' }).catch(() => undefined);
    }
    const prints = runs.started.map(({ idempotency }) => idempotency?.fingerprint);
    expect(prints[0]).toBe(prints[1]);
    expect(new Set(prints).size).toBe(1 + others.length);
  });
});

const watchedUntil = async (run: Run): Promise<number> => {
  const rows = bench.database
    .acrossTenants()
    .selectFrom('runs')
    .select('watched_until')
    .where('id', '=', run.id);
  return (await rows.executeTakeFirstOrThrow()).watched_until ?? 0;
};
const forget = (run: Run) =>
  bench.database
    .acrossTenants()
    .updateTable('runs')
    .set({ watched_until: 1 })
    .where('id', '=', run.id)
    .execute();
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a run that ends when nobody watches', () => {
  it('is watched from its start on, while a viewer is there, and for ten seconds after the last', async () => {
    const run = await start({ sessionId, onDisconnect: 'cancel' });
    const atStart = await watchedUntil(run);
    expect(atStart - Date.now()).toBeGreaterThan(5_000);

    await forget(run);
    const left = new AbortController();
    const viewer = shown({}, left.signal);
    while ((await watchedUntil(run)) === 1) await turn();

    await forget(run);
    left.abort();
    await viewer;
    while ((await watchedUntil(run)) === 1) await turn();
    expect((await watchedUntil(run)) - Date.now()).toBeGreaterThan(5_000);
  });

  it('is the only kind of run of which that is noted', async () => {
    const run = await start({ sessionId });
    const left = new AbortController();
    const viewer = shown({}, left.signal);
    await turn();
    left.abort();
    await viewer;
    expect(await watchedUntil(run)).toBe(0);
  });
});

describe('a cursor alone', () => {
  it('names the session of its run', async () => {
    const run = await runWith(['a']);
    expect(await agent.sessionOf(ADA_HERE, `${run.id}.1.1`)).toBe(sessionId);
  });
});
