import { describe, expect, it } from '@jest/globals';
import type { PlacedRunEvent, RunEvent, RunEventData } from '../../event-log/run-event.js';
import { MessageBroken, MessageMapping, type MappingOptions } from './message-mapping.js';
import { dialectOf, type UiChunk } from './ui-chunk.js';

const RUN = 'run_01kaxyz0000000000000000000';
const USAGE = {
  input_tokens: 1,
  output_tokens: 1,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  model_calls: 1,
  estimated: false,
};

const id = (seq: number, attempt = 1) => `${RUN}.${attempt}.${seq}`;
const status = (now: 'queued' | 'running' | 'waiting', attempt = 1): RunEvent => ({
  type: 'run',
  data: { run_id: RUN, session_id: 'ses_1', status: now, attempt, model: 'm' },
});
const token = (text: string): RunEvent => ({ type: 'token', data: { text } });
const thinking = (text: string): RunEvent => ({ type: 'thinking', data: { text } });
const call = (name: string, args: unknown = {}): RunEvent => ({
  type: 'tool_call',
  data: { id: `toolu_${name}`, name, args },
});
const approval = (name: string, args: unknown = {}): RunEvent => ({
  type: 'approval',
  data: { id: `toolu_${name}`, name, args, expires_at: '2026-11-26T00:00:00.000Z' },
});
const result = (name: string, said: unknown, isError = false): RunEvent => ({
  type: 'tool_result',
  data: { id: `toolu_${name}`, name, result: said, is_error: isError, duration_ms: 3 },
});
const reset = (after: number | null): RunEvent => ({
  type: 'reset',
  data: { after: after === null ? null : id(after), reason: 'model_failed' },
});
const failed: RunEvent = {
  type: 'error',
  data: { error: 'Too much.', code: 'model_failed', retryable: true },
};
const done = (
  as: RunEventData<'done'>['status'] = 'completed',
  stopReason: string | null = 'end_turn',
): RunEvent => ({
  type: 'done',
  data: { status: as, stop_reason: stopReason, usage: USAGE, cost_usd: null },
});

interface Options extends Partial<Omit<MappingOptions, 'dialect'>> {
  version?: string;
}

/** The chunks of each event; `known` is how many events there were already. */
function mapAll(events: RunEvent[], { version = '7', known = 0, ...options }: Options = {}): UiChunk[][] {
  const dialect = dialectOf(version)!;
  const mapping = new MessageMapping({ dialect, known, isDecided: false, ...options });
  const placed = events.map((event, index): PlacedRunEvent => ({
    ...event,
    id: id(index + 1),
    run_id: RUN,
    attempt: 1,
    seq: index + 1,
  }));
  return placed.flatMap((event) => (mapping.isFinished ? [] : [mapping.map(event)]));
}

const START: UiChunk = { type: 'start', messageId: RUN };
const STEP: UiChunk = { type: 'start-step' };
const STEP_END: UiChunk = { type: 'finish-step' };
const STOP: UiChunk = { type: 'finish', finishReason: 'stop' };
const textParts = (seq: number, ...deltas: string[]): UiChunk[] => [
  { type: 'text-start', id: `text-${seq}` },
  ...deltas.map((delta): UiChunk => ({ type: 'text-delta', id: `text-${seq}`, delta })),
];
const textEnd = (seq: number): UiChunk => ({ type: 'text-end', id: `text-${seq}` });
const input = (name: string, args: unknown = {}): UiChunk[] => [
  { type: 'tool-input-start', toolCallId: `toolu_${name}`, toolName: name },
  { type: 'tool-input-available', toolCallId: `toolu_${name}`, toolName: name, input: args },
];

describe('the log of a run as a message of the AI SDK', () => {
  it('text comes as it is said, in one part', () => {
    expect(mapAll([status('queued'), status('running'), token('He'), token('llo'), done()])).toEqual([
      [START],
      [],
      [STEP, ...textParts(3, 'He')],
      [{ type: 'text-delta', id: 'text-3', delta: 'llo' }],
      [textEnd(3), STEP_END, STOP],
    ]);
  });

  it('reasoning is a part of its own', () => {
    expect(mapAll([status('running'), thinking('Hm'), token('Yes'), done()]).flat()).toEqual([
      START,
      STEP,
      { type: 'reasoning-start', id: 'reasoning-2' },
      { type: 'reasoning-delta', id: 'reasoning-2', delta: 'Hm' },
      { type: 'reasoning-end', id: 'reasoning-2' },
      ...textParts(3, 'Yes'),
      textEnd(3),
      STEP_END,
      STOP,
    ]);
  });

  it('calls and their outcomes belong to the step of the turn that made them; what is said then is the next', () => {
    const events = [
      status('running'),
      token('Looking'),
      call('look', { at: 'it' }),
      call('fail'),
      result('fail', 'No such thing.', true),
      result('look', { seen: 1 }),
      token('Seen.'),
      done(),
    ];
    expect(mapAll(events).flat()).toEqual([
      START,
      STEP,
      ...textParts(2, 'Looking'),
      textEnd(2),
      ...input('look', { at: 'it' }),
      ...input('fail'),
      { type: 'tool-output-error', toolCallId: 'toolu_fail', errorText: 'No such thing.' },
      { type: 'tool-output-available', toolCallId: 'toolu_look', output: { seen: 1 } },
      STEP_END,
      STEP,
      ...textParts(7, 'Seen.'),
      textEnd(7),
      STEP_END,
      STOP,
    ]);
  });

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['refusal', 'content-filter'],
    ['tool_use', 'tool-calls'],
    ['something_new', 'other'],
    [null, 'other'],
  ])('a run that ended with %s finishes with %s', (reason, finishReason) => {
    expect(mapAll([status('running'), done('completed', reason)]).flat()).toEqual([
      START,
      { type: 'finish', finishReason },
    ]);
  });

  it('a run that was cancelled is aborted, one that failed says why', () => {
    expect(
      mapAll([status('running'), token('He'), done('cancelled', null)])
        .flat()
        .slice(-3),
    ).toEqual([textEnd(2), STEP_END, { type: 'abort' }]);
    expect(mapAll([status('running'), failed, done('failed', null)]).flat()).toEqual([
      START,
      { type: 'error', errorText: 'Too much.' },
    ]);
  });

  it('an error that is taken back is never told', () => {
    expect(mapAll([status('running'), failed, reset(1), token('Well'), done()]).flat()).toEqual([
      START,
      STEP,
      ...textParts(4, 'Well'),
      textEnd(4),
      STEP_END,
      STOP,
    ]);
  });
});

describe('a turn that is taken back', () => {
  const events = [status('running'), token('Wro'), token('ng'), reset(1), token('Right'), done()];
  const whole = [START, STEP, ...textParts(5, 'Right'), textEnd(5), STEP_END, STOP];

  it('is taken back from version 7, which can do so, once something else is said', () => {
    expect(mapAll(events)).toEqual([
      [START],
      [STEP, ...textParts(2, 'Wro')],
      [{ type: 'text-delta', id: 'text-2', delta: 'ng' }],
      [],
      [{ type: 'reset-step' }, ...textParts(5, 'Right')],
      [textEnd(5), STEP_END, STOP],
    ]);
  });

  it.each(['5', '6'])('was not shown to version %s, which gets each turn when it is whole', (version) => {
    expect(mapAll(events, { version })).toEqual([[START], [], [], [], [], whole.slice(1)]);
  });

  it('is left out of what is told again', () => {
    for (const known of [4, 5, 6]) expect(mapAll(events, { known }).flat()).toEqual(whole);
  });

  it('is taken back when it was shown at the end of what is told again', () => {
    expect(mapAll(events, { known: 3 })).toEqual([
      [START],
      [],
      [STEP, ...textParts(2, 'Wrong')],
      [],
      [{ type: 'reset-step' }, ...textParts(5, 'Right')],
      [textEnd(5), STEP_END, STOP],
    ]);
  });

  it('nothing is taken back when the same is said again, in whatever pieces', () => {
    const again = [
      status('running'),
      thinking('Hm, ok'),
      token('Hello w'),
      reset(1),
      thinking('Hm,'),
      thinking(' ok'),
      token('Hello '),
      reset(1),
      thinking('Hm, ok'),
      token('Hel'),
      token('lo world'),
      token('.'),
      done(),
    ];
    expect(mapAll(again).slice(1)).toEqual([
      [
        STEP,
        { type: 'reasoning-start', id: 'reasoning-2' },
        { type: 'reasoning-delta', id: 'reasoning-2', delta: 'Hm, ok' },
      ],
      [{ type: 'reasoning-end', id: 'reasoning-2' }, ...textParts(3, 'Hello w')],
      [],
      [],
      [],
      [],
      [],
      [],
      [],
      [{ type: 'text-delta', id: 'text-3', delta: 'orld' }],
      [{ type: 'text-delta', id: 'text-3', delta: '.' }],
      [textEnd(3), STEP_END, STOP],
    ]);
  });

  it('is taken back when less is said again, or the same in other parts', () => {
    const less = [status('running'), token('Hello world'), reset(1), token('Hello'), done()];
    expect(mapAll(less).at(-1)).toEqual([
      { type: 'reset-step' },
      ...textParts(4, 'Hello'),
      textEnd(4),
      STEP_END,
      STOP,
    ]);
    const other = [status('running'), thinking('Hm'), reset(1), thinking('H'), token('i'), done()];
    expect(mapAll(other).slice(4, 5)).toEqual([
      [
        { type: 'reset-step' },
        { type: 'reasoning-start', id: 'reasoning-4' },
        { type: 'reasoning-delta', id: 'reasoning-4', delta: 'H' },
        { type: 'reasoning-end', id: 'reasoning-4' },
        ...textParts(5, 'i'),
      ],
    ]);
  });

  it('is taken back before a call, when nothing is said again', () => {
    const silent = [status('running'), token('Hm'), reset(1), call('look'), result('look', 1), done()];
    expect(mapAll(silent).slice(2, 4)).toEqual([[], [{ type: 'reset-step' }, ...input('look')]]);
  });

  it('takes nothing with it of what was said before it in the same step', () => {
    const steered = [status('running'), token('One. '), token('Tw'), reset(2), token('Three.'), done()];
    expect(mapAll(steered).flat().slice(2)).toEqual([
      ...textParts(2, 'One. ', 'Tw'),
      { type: 'reset-step' },
      ...textParts(2, 'One. Three.'),
      textEnd(2),
      STEP_END,
      STOP,
    ]);
  });

  it('goes further back than a step: the client has to ask for the whole again', () => {
    const lost = [status('running'), call('look'), result('look', 1), token('Se'), reset(null)];
    expect(() => mapAll(lost)).toThrow(MessageBroken);
    const before = [status('running'), token('He'), call('look'), reset(1)];
    expect(() => mapAll(before, { version: '6' })).toThrow(MessageBroken);
  });
});

describe('a call that waits for a person', () => {
  const asked = [status('running'), call('pay', { eur: 5 }), call('look'), approval('pay', { eur: 5 })];
  const waits = [...asked, result('look', 'seen'), status('waiting')];
  const approved = [...waits, status('running', 2), result('pay', 'paid'), token('Done.'), done()];
  const request: UiChunk = {
    type: 'tool-approval-request',
    approvalId: 'toolu_pay',
    toolCallId: 'toolu_pay',
  };
  const seen: UiChunk = { type: 'tool-output-available', toolCallId: 'toolu_look', output: 'seen' };
  const paid: UiChunk = { type: 'tool-output-available', toolCallId: 'toolu_pay', output: 'paid' };
  const last = [STEP, ...textParts(9, 'Done.'), textEnd(9), STEP_END, STOP];
  const openCalls = new Set(['toolu_pay']);

  it('is asked about, and the answer ends once the run waits', () => {
    const chunks = mapAll(approved);
    expect(chunks).toHaveLength(6);
    expect(chunks.flat()).toEqual([
      START,
      STEP,
      ...input('pay', { eur: 5 }),
      ...input('look'),
      request,
      seen,
      STEP_END,
      { type: 'finish', finishReason: 'tool-calls' },
    ]);
  });

  it('is data to version 5, which knows no approvals', () => {
    expect(mapAll(asked, { version: '5' }).at(-1)).toEqual([
      {
        type: 'data-approval',
        id: 'toolu_pay',
        data: {
          runId: RUN,
          toolCallId: 'toolu_pay',
          toolName: 'pay',
          input: { eur: 5 },
          expiresAt: '2026-11-26T00:00:00.000Z',
        },
      },
    ]);
  });

  it('who sent the decision gets what followed the request, and no more', () => {
    expect(mapAll(approved, { known: 6, isDecided: true, openCalls }).flat()).toEqual([
      START,
      seen,
      paid,
      ...last,
    ]);
  });

  it('so does who sends it again when all is over', () => {
    expect(mapAll(approved, { known: 10, isDecided: true, openCalls }).flat()).toEqual([
      START,
      seen,
      paid,
      ...last,
    ]);
  });

  it('goes on waiting when another decision is missing', () => {
    expect(mapAll(waits, { known: 6, openCalls }).flat()).toEqual([
      START,
      seen,
      { type: 'finish', finishReason: 'tool-calls' },
    ]);
  });

  it('is told again whole, with the wait that is over in between', () => {
    expect(mapAll(approved, { known: 8 }).flat()).toEqual([
      START,
      STEP,
      ...input('pay', { eur: 5 }),
      ...input('look'),
      request,
      seen,
      paid,
      STEP_END,
      ...last,
    ]);
  });

  it('was decided just now: who asks again waits for what comes of it', () => {
    const chunks = mapAll(approved, { known: 6, isDecided: true }).flat();
    expect(chunks.filter(({ type }) => type === 'finish')).toEqual([STOP]);
  });

  it('is denied by the person, which is not a failure of the tool', () => {
    const denied = [...waits, result('pay', 'Denied by the user: too dear', true), done()];
    const of = (version: string) =>
      mapAll(denied, { known: 6, isDecided: true, openCalls, version }).flat().slice(2, 3);
    expect(of('7')).toEqual([{ type: 'tool-output-denied', toolCallId: 'toolu_pay' }]);
    expect(of('5')).toEqual([
      { type: 'tool-output-error', toolCallId: 'toolu_pay', errorText: 'Denied by the user: too dear' },
    ]);
  });

  it('a tool that says so without having been asked about has failed', () => {
    const said = [status('running'), call('look'), result('look', 'Denied by the user.', true)];
    expect(mapAll(said).at(-1)).toEqual([
      { type: 'tool-output-error', toolCallId: 'toolu_look', errorText: 'Denied by the user.' },
    ]);
  });
});

it('the same events make the same chunks, in however many parts they are told', () => {
  const events = [
    status('running'),
    thinking('a'),
    token('b'),
    call('look'),
    result('look', 1),
    token('c'),
    done(),
  ];
  const told = (known: number) => JSON.stringify(mapAll(events, { known }).flat()).replaceAll(RUN, '');
  expect(told(7)).toBe(told(0));
});
