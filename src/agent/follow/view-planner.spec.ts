import { describe, expect, it } from '@jest/globals';
import { newId } from '../../database/ids.js';
import { EventLog, type LogEnd, type LogPage, type LogWriter } from '../../event-log/event-log.js';
import type { Run } from '../../runs/run.js';
import { ViewPlanner } from './view-planner.js';
import type { FollowRequest } from '../view-plan.js';

const SESSION = newId('ses');
const FOREIGN = newId('run');

/** A log of ends alone: all attempts below the last have their events up to `seq`, as have the runs. */
class EndsLog extends EventLog {
  constructor(private readonly ends: ReadonlyMap<string, LogEnd>) {
    super();
  }

  override async end(runId: string): Promise<LogEnd | undefined> {
    return this.ends.get(runId);
  }

  override async has(runId: string, attempt: number, seq: number): Promise<boolean> {
    const end = this.ends.get(runId);
    return end !== undefined && end.attempt === attempt && seq >= 1 && seq <= end.seq;
  }

  override writer(): Promise<LogWriter> {
    throw new Error('A viewer writes nothing');
  }

  override read(): Promise<LogPage[]> {
    throw new Error('A plan reads nothing');
  }

  override remove(): Promise<void> {
    throw new Error('A viewer removes nothing');
  }

  override follow(): AsyncIterable<LogPage[]> {
    throw new Error('A plan reads nothing');
  }
}

/** Runs of the session, oldest first: each over with so many events, or open with none or some. */
function session(...runs: { open?: boolean; events: number }[]) {
  const made = runs.map(({ open = false }, index) => ({
    id: newId('run'),
    sessionId: SESSION,
    number: index + 1,
    status: open ? 'running' : 'completed',
  })) as Run[];
  const ends = new Map<string, LogEnd>(
    runs.flatMap(({ open = false, events }, index) =>
      events === 0 ? [] : [[made[index]!.id, { attempt: 1, seq: events, type: open ? 'token' : 'done' }]],
    ),
  );
  ends.set(FOREIGN, { attempt: 1, seq: 9, type: 'token' });
  const planner = new ViewPlanner(new EndsLog(ends), {
    find: async (id) => made.find((run) => run.id === id),
    latest: async () => made.at(-1),
    firstOpen: async () => made.find(({ status }) => status === 'running'),
  });
  const plan = async (request: Partial<FollowRequest> = {}, wanted?: Run) => {
    const planned = await planner.plan({ sessionId: SESSION, follow: false, ...request }, wanted);
    if (planned === undefined) return 'over';
    const { run, sessionId, ...rest } = planned;
    expect(sessionId).toBe(SESSION);
    return { run: run?.number, ...rest };
  };
  return { runs: made, plan };
}

function unasked(): never {
  throw new Error('The run is known');
}

const begin = { afterNumber: 0, afterSeq: 0, isReset: false, follow: false };

describe('without a cursor', () => {
  it.each(['', undefined])(
    '(%j) a viewer begins with the latest run, whether over, running or queued',
    async (cursor) => {
      expect(await session({ events: 5 }, { events: 3 }).plan({ cursor })).toMatchObject({
        ...begin,
        run: 2,
        afterNumber: 2,
      });
      expect(await session({ events: 5 }, { open: true, events: 3 }).plan({ cursor })).toMatchObject({
        run: 2,
        afterSeq: 0,
      });
      expect(await session({ events: 5 }, { open: true, events: 0 }).plan({ cursor })).toMatchObject({
        run: 2,
        afterSeq: 0,
      });
    },
  );

  it('a viewer of a session without runs waits for the first', async () => {
    expect(await session().plan()).toEqual({ ...begin, run: undefined });
    expect(await session().plan({ follow: true })).toEqual({ ...begin, run: undefined, follow: true });
  });

  it('for a viewer that names a run nothing else is asked of the session', async () => {
    const planner = new ViewPlanner(new EndsLog(new Map()), {
      find: unasked,
      latest: unasked,
      firstOpen: unasked,
    });
    const [run] = session({ open: true, events: 1 }).runs;

    expect(await planner.plan({ sessionId: SESSION, follow: true }, run)).toMatchObject({ run, afterSeq: 0 });
  });

  it('a viewer that names a run gets that one', async () => {
    const { runs, plan } = session({ events: 5 }, { events: 3 });
    expect(await plan({ runId: runs[0]!.id }, runs[0])).toMatchObject({
      run: 1,
      afterSeq: 0,
      isReset: false,
    });
  });

  it('a follower begins with the run that is active, not with those that wait behind it', async () => {
    const { plan } = session({ events: 5 }, { open: true, events: 2 }, { open: true, events: 1 });
    expect(await plan({ follow: true })).toMatchObject({ run: 2, afterSeq: 0, follow: true });
  });

  it('a follower of a session at rest waits for the run after the latest', async () => {
    expect(await session({ events: 5 }, { events: 3 }).plan({ follow: true })).toEqual({
      run: undefined,
      afterNumber: 2,
      afterSeq: 0,
      isReset: false,
      follow: true,
    });
  });
});

describe('with a cursor', () => {
  it('a viewer gets what follows it of its run, also when a newer run has begun', async () => {
    const { runs, plan } = session({ events: 5 }, { open: true, events: 3 });
    for (const seq of [1, 2, 3, 4]) {
      expect(await plan({ cursor: `${runs[0]!.id}.1.${seq}` })).toEqual({ ...begin, run: 1, afterSeq: seq });
    }
    expect(await plan({ cursor: `${runs[1]!.id}.1.3` })).toEqual({ ...begin, run: 2, afterSeq: 3 });
  });

  it('that is a done nothing follows, also when a newer run has begun', async () => {
    const { runs, plan } = session({ events: 5 }, { open: true, events: 3 });
    expect(await plan({ cursor: `${runs[0]!.id}.1.5` })).toBe('over');
    expect(await plan({ cursor: `${runs[0]!.id}.1.5`, runId: runs[0]!.id }, runs[0])).toBe('over');
  });

  it('that is a done a follower goes on with the run after it, over or not', async () => {
    const { runs, plan } = session({ events: 5 }, { events: 3 }, { open: true, events: 1 });
    expect(await plan({ cursor: `${runs[0]!.id}.1.5`, follow: true })).toEqual({
      run: undefined,
      afterNumber: 1,
      afterSeq: 0,
      isReset: false,
      follow: true,
    });
  });

  it('a follower gets the rest of its run first', async () => {
    const { runs, plan } = session({ events: 5 }, { open: true, events: 3 });
    expect(await plan({ cursor: `${runs[0]!.id}.1.4`, follow: true })).toMatchObject({ run: 1, afterSeq: 4 });
  });
});

describe('with a cursor that cannot be honoured', () => {
  const { runs, plan } = session({ events: 5 }, { events: 3 });
  const [first, second] = runs as [Run, Run];

  it.each([
    ['in the future', `${first.id}.1.6`, 1],
    ['of an attempt that never was', `${first.id}.2.3`, 1],
    ['of a run whose log is lost', `${first.id}.1.99`, 1],
    ['of another session', `${FOREIGN}.1.3`, 2],
    ['of a run that never was', `${newId('run')}.1.3`, 2],
    ['that is no event id', 'nonsense', 2],
    ['that is a blank', ' ', 2],
    ['that is an id of another kind', `${SESSION}.1.1`, 2],
    ['with seq 0', `${first.id}.1.0`, 2],
    ['with seq -1', `${first.id}.1.-1`, 2],
    ['with seq 1e9', `${first.id}.1.1e9`, 2],
    ['with seq 9007199254740993', `${first.id}.1.9007199254740993`, 2],
    ['with one part more', `${first.id}.1.3.`, 2],
  ])('%s, a viewer is reset and gets the whole run', async (_name, cursor, run) => {
    expect(await plan({ cursor })).toEqual({ ...begin, run, isReset: true });
    expect(await plan({ cursor, follow: true })).toEqual({ ...begin, run, isReset: true, follow: true });
  });

  it('because it is of another run than the one that is named, a viewer gets the named one', async () => {
    for (const cursor of [`${first.id}.1.2`, `${first.id}.1.5`, `${FOREIGN}.1.1`, 'nonsense']) {
      expect(await plan({ cursor, runId: second.id }, second)).toEqual({ ...begin, run: 2, isReset: true });
    }
  });

  it('and no run to show, a viewer is reset and waits for the first', async () => {
    expect(await session().plan({ cursor: 'nonsense' })).toEqual({ ...begin, run: undefined, isReset: true });
  });
});
