import { describe, expect, it } from '@jest/globals';
import { newId } from '../../database/ids.js';
import type { LogPage } from '../../event-log/event-log.js';
import type { Run } from '../../runs/run.js';
import type { ViewPlan } from '../view-plan.js';
import { type Subscription, Subscriptions } from './subscriptions.js';

const SESSION = 'ses_1';
const [first, second] = [newId('run'), newId('run')];

function planOf(
  runId: string | undefined,
  { follow = false, status = 'running', sessionId = SESSION } = {},
): ViewPlan {
  const run = runId === undefined ? undefined : ({ id: runId, status } as Run);
  return { sessionId, run, afterNumber: 0, afterSeq: 0, isReset: false, follow };
}

function page(runId: string, firstSeq: number, count = 1): LogPage {
  const entries = Array.from({ length: count }, (_, n) => ({
    type: 'token' as const,
    data: `${firstSeq + n}`,
  }));
  return { runId, attempt: 1, firstSeq, entries };
}

const seqs = (pages: readonly LogPage[]) =>
  pages.flatMap(({ entries }) => entries.map(({ data }) => Number(data)));

describe('what a socket watches', () => {
  it('sends each event of a run as it comes', () => {
    const all = new Subscriptions();
    const one = all.add(first, planOf(first));
    const pages = [page(first, 1, 2), page(first, 3)];
    expect(all.advance(one, pages)).toBe(pages);
    expect(one.sent).toEqual({ id: `${first}.1.3`, seq: 3 });
    expect(seqs(all.advance(one, [page(first, 4)]))).toEqual([4]);
    expect(all.advance(one, [])).toEqual([]);
    expect(one.sent?.seq).toBe(4);
  });

  it('sends an event once when a follower comes to a run that another shows, in whatever pieces', () => {
    const all = new Subscriptions();
    const follower = all.add(SESSION, planOf(first, { follow: true }));
    const other = all.add(second, planOf(second));
    all.advance(follower, [page(first, 1, 5)]);
    expect(seqs(all.advance(other, [page(second, 1, 3)]))).toEqual([1, 2, 3]);

    expect(seqs(all.advance(follower, [page(second, 1, 2)]))).toEqual([]);
    expect(other.stop.signal.aborted).toBe(true);
    expect(seqs(all.advance(follower, [page(second, 3, 3)]))).toEqual([4, 5]);
    expect(seqs(all.advance(follower, [page(second, 6)]))).toEqual([6]);
    expect([all.size, follower.sent?.id]).toEqual([1, `${second}.1.6`]);
  });

  it('repeats what the client asks for again with a cursor', () => {
    const all = new Subscriptions();
    all.drop(all.add(first, planOf(first)));
    const again = all.add(first, planOf(first));
    expect(seqs(all.advance(again, [page(first, 2, 3)]))).toEqual([2, 3, 4]);
  });

  it('does not repeat what was sent before a request took the place of another', () => {
    const all = new Subscriptions();
    const later = all.add(first, planOf(first), { id: `${first}.1.2`, seq: 2 });
    expect(seqs(all.advance(later, [page(first, 1, 4)]))).toEqual([3, 4]);
  });
});

function shown(earlier: ViewPlan, later: ViewPlan): boolean {
  const all = new Subscriptions();
  all.add('key', earlier);
  return all.showing(later) !== undefined;
}

describe('a new request is shown already', () => {
  it.each<[string, ViewPlan, ViewPlan, boolean]>([
    ['by one of the same run', planOf(first), planOf(first), true],
    ['not by one of another run', planOf(first), planOf(second), false],
    ['not by one of another session', planOf(undefined), planOf(undefined, { sessionId: 'ses_2' }), false],
    ['by one that waits for the first run, too', planOf(undefined), planOf(undefined), true],
    ['by a follower that will come to an open run', planOf(first, { follow: true }), planOf(second), true],
    [
      'not by a follower, when the run is over',
      planOf(second, { follow: true }),
      planOf(first, { status: 'completed' }),
      false,
    ],
    [
      'by a follower, when it follows, too',
      planOf(second, { follow: true }),
      planOf(first, { status: 'completed', follow: true }),
      true,
    ],
    ['by a follower that waits', planOf(undefined, { follow: true }), planOf(undefined), true],
    [
      'not by one of a run, when it waits for the next',
      planOf(first),
      planOf(undefined, { follow: true }),
      false,
    ],
  ])('%s', (_name, earlier, later, expected) => {
    expect(shown(earlier, later)).toBe(expected);
  });
});

describe('what a client gives up', () => {
  const all = new Subscriptions();
  const follower = all.add(SESSION, planOf(first, { follow: true }));
  const single = all.add(SESSION, planOf(second));
  const byRun = all.add('run_3', planOf('run_3', { sessionId: 'ses_2' }));
  const names = (subscriptions: Subscription[]) =>
    subscriptions.map((each) => ['follower', 'single', 'byRun'][[follower, single, byRun].indexOf(each)]);

  it('of a session is all of it, of a run what shows nothing else', () => {
    expect(names(all.meantBy({ session_id: SESSION }))).toEqual(['follower', 'single']);
    expect(names(all.meantBy({ run_id: first }))).toEqual([]);
    expect(names(all.meantBy({ run_id: second }))).toEqual(['single']);
    expect(names(all.meantBy({ run_id: 'run_3' }))).toEqual(['byRun']);
    expect(names(all.meantBy({ session_id: 'ses_2', run_id: 'run_3' }))).toEqual(['byRun']);
    expect(names(all.meantBy({ run_id: 'run_4' }))).toEqual([]);
  });
});
