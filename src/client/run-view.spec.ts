import { describe, expect, it } from '@jest/globals';
import { RunView } from './run-view.js';
import type { StreamEvent } from './wire.js';

const run = (status: string, attempt = 1) => ({
  type: 'run',
  data: { run_id: 'run_1', session_id: 'ses_1', status, attempt, model: 'm' },
});
const token = (text: string) => ({ type: 'token', data: { text } });
const thinking = (text: string) => ({ type: 'thinking', data: { text } });
const call = (id: string) => ({ type: 'tool_call', data: { id, name: 'add', args: { a: 1 } } });
const approval = (id: string) => ({
  type: 'approval',
  data: { id, name: 'add', args: { a: 1 }, expires_at: '2026-01-01T00:00:00.000Z' },
});
const result = (id: string, value: unknown, is_error = false) => ({
  type: 'tool_result',
  data: { id, name: 'add', result: value, is_error, duration_ms: 5 },
});
const reset = (after: string | null) => ({ type: 'reset', data: { after, reason: 'model_retry' } });
const USAGE = { input_tokens: 1, output_tokens: 2 };
const done = {
  type: 'done',
  data: { status: 'completed', stop_reason: 'end_turn', usage: USAGE, cost_usd: 0 },
};

function apply(view: RunView, runId: string, ...events: { type: string; data: unknown }[]): boolean[] {
  const first = view.runId === runId ? Number(view.lastEventId?.split('.')[2]) + 1 : 1;
  return events.map((event, index) =>
    view.apply({ ...event, id: `${runId}.1.${first + index}` } as unknown as StreamEvent),
  );
}

describe('the view of a run', () => {
  it('has text, thinking and tools in their order, and how it ended', () => {
    const view = new RunView();
    apply(view, 'run_1', run('running'), thinking('h'), thinking('m'), token('Let me '), token('see. '));
    apply(view, 'run_1', call('t1'), approval('t1'));
    expect(view.tools).toMatchObject([{ id: 't1', state: 'waiting', expiresAt: '2026-01-01T00:00:00.000Z' }]);
    apply(view, 'run_1', result('t1', 3), token('Three.'), done);

    expect(view.parts).toEqual([
      { type: 'thinking', text: 'hm' },
      { type: 'text', text: 'Let me see. ' },
      {
        type: 'tool',
        tool: {
          id: 't1',
          name: 'add',
          args: { a: 1 },
          state: 'answered',
          expiresAt: null,
          result: 3,
          durationMs: 5,
        },
      },
      { type: 'text', text: 'Three.' },
    ]);
    expect([view.text, view.thinking]).toEqual(['Let me see. Three.', 'hm']);
    expect(view).toMatchObject({ runId: 'run_1', sessionId: 'ses_1', status: 'completed', model: 'm' });
    expect(view).toMatchObject({ lastEventId: 'run_1.1.10', done: done.data });
  });

  it('takes back what came after the place of a reset, but not what the run is', () => {
    const view = new RunView();
    apply(view, 'run_1', run('running'), token('Kept. '), call('t1'), result('t1', 'no', true));
    apply(view, 'run_1', thinking('lost'), token('Lost.'), run('running', 2), reset('run_1.1.4'));

    expect([view.text, view.thinking, view.attempt, view.lastEventId]).toEqual([
      'Kept. ',
      '',
      2,
      'run_1.1.8',
    ]);
    expect(view.tools).toMatchObject([{ id: 't1', state: 'failed', result: 'no' }]);
    apply(view, 'run_1', token('Again.'));
    expect(view.text).toBe('Kept. Again.');
  });

  it('is empty after a reset of everything, also when that is told to one viewer alone', () => {
    const view = new RunView();
    apply(view, 'run_1', run('running'), token('Lost.'), reset(null));
    expect([view.text, view.status]).toEqual(['', 'running']);
    apply(view, 'run_1', token('Lost, too.'));
    view.apply({ ...reset(null), id: null } as unknown as StreamEvent);
    expect([view.text, view.status, view.lastEventId]).toEqual(['', null, null]);
    expect(apply(view, 'run_1', run('running'), token('Whole.'))).toEqual([true, true]);
    expect(view.text).toBe('Whole.');
  });

  it('is not changed by an event that comes twice', () => {
    const view = new RunView();
    apply(view, 'run_1', run('running'), token('a'), token('b'));
    const again = { ...token('a'), id: 'run_1.1.2' } as unknown as StreamEvent;
    expect(view.apply(again)).toBe(false);
    expect(view.text).toBe('ab');
  });

  it('is that of the next run, once that begins', () => {
    const view = new RunView();
    apply(view, 'run_1', run('running'), token('first'), done);
    apply(view, 'run_2', run('queued'), token('second'));
    expect([view.runId, view.text, view.done, view.status]).toEqual(['run_2', 'second', null, 'queued']);
  });

  it('passes over kinds of events that it does not know', () => {
    const view = new RunView();
    expect(apply(view, 'run_1', run('running'), { type: 'news', data: 1 }, token('a'))).toEqual([
      true,
      true,
      true,
    ]);
    expect(view.text).toBe('a');
  });
});
