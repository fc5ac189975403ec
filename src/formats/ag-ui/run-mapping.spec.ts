import { describe, expect, it } from '@jest/globals';
import { EventSchema } from '@ag-ui/core/schemas';
import type { PlacedRunEvent, RunEvent } from '../../event-log/run-event.js';
import type { AgUiEvent } from './ag-ui-event.js';
import { type ClientRun, RunMapping } from './run-mapping.js';

const RUN = 'run_01h455vb4pex5vsknk084sn02q';
const USAGE = {
  input_tokens: 10,
  output_tokens: 5,
  cache_read_input_tokens: 100,
  cache_creation_input_tokens: 20,
  model_calls: 1,
  estimated: false,
};
const CLIENT: ClientRun = {
  threadId: 'thread',
  runId: 'r1',
  state: { page: 3 },
  history: [{ id: 'u1', role: 'user', content: 'hello' }],
};

const status = (of: 'queued' | 'running' | 'waiting'): RunEvent => ({
  type: 'run',
  data: { run_id: RUN, session_id: 'ses_1', status: of, attempt: 1, model: 'a-model' },
});
const token = (text: string): RunEvent => ({ type: 'token', data: { text } });
const thinking = (text: string): RunEvent => ({ type: 'thinking', data: { text } });
const call = (id: string, args: unknown = {}): RunEvent => ({
  type: 'tool_call',
  data: { id, name: 'look', args },
});
const result = (id: string, told: unknown, isError = false): RunEvent => ({
  type: 'tool_result',
  data: { id, name: 'look', result: told, is_error: isError, duration_ms: 3 },
});
const approval = (id: string): RunEvent => ({
  type: 'approval',
  data: { id, name: 'look', args: { at: 'sea' }, expires_at: '2026-11-26T01:00:00Z' },
});
const reset = (after: number): RunEvent => ({
  type: 'reset',
  data: { after: after === 0 ? null : `${RUN}.1.${after}`, reason: 'model_failed' },
});
const done = (of: 'completed' | 'failed' | 'cancelled' = 'completed'): RunEvent => ({
  type: 'done',
  data: { status: of, stop_reason: of === 'completed' ? 'end_turn' : null, usage: USAGE, cost_usd: 0.5 },
});

const TOLD_USAGE = {
  inputTokens: 130,
  outputTokens: 5,
  totalTokens: 135,
  cachedInputTokens: 100,
  cacheWriteInputTokens: 20,
};

function placed(events: readonly RunEvent[], from = 1): PlacedRunEvent[] {
  return events.map((event, index) => {
    const seq = from + index;
    return { ...event, id: `${RUN}.1.${seq}`, run_id: RUN, attempt: 1, seq };
  });
}

/** Names of events of the log by their `seq`, as they are the ids of messages. */
const at = (seq: number) => `${RUN}.1.${seq}`;

/** What these events of a log are mapped to, each of a form that the protocol knows. */
function map(events: readonly RunEvent[], client: Partial<ClientRun> = {}): AgUiEvent[] {
  const mapping = new RunMapping({ ...CLIENT, ...client });
  return known(placed(events).flatMap((event) => mapping.map(event)));
}

/** What a client is told that has had these events. */
function catchUp(events: readonly RunEvent[], client: Partial<ClientRun> = {}): AgUiEvent[] {
  const mapping = new RunMapping({ ...CLIENT, ...client });
  for (const event of placed(events)) mapping.map(event);
  return known(mapping.catchUp());
}

function known(events: AgUiEvent[]): AgUiEvent[] {
  for (const event of events) EventSchema.parse(event);
  return events;
}

const snapshotOf = (...messages: object[]) => ({
  type: 'MESSAGES_SNAPSHOT',
  messages: [...CLIENT.history, ...messages],
});

describe('a run in the words of AG-UI', () => {
  it('begins with the ids that the client made, and our own beside them', () => {
    expect(known(new RunMapping(CLIENT).begin({ id: RUN, sessionId: 'ses_1' }))).toEqual([
      {
        type: 'RUN_STARTED',
        threadId: 'thread',
        runId: 'r1',
        protocolVersion: '1.0',
        metadata: { run_id: RUN, session_id: 'ses_1' },
      },
    ]);
  });

  it('opens a message with its first text and closes it when something else follows', () => {
    expect(
      map([
        status('queued'),
        status('running'),
        thinking('Hm'),
        thinking('.'),
        token('Good '),
        token('day'),
        done(),
      ]),
    ).toEqual([
      { type: 'REASONING_START', messageId: at(3) },
      { type: 'REASONING_MESSAGE_START', messageId: at(3), role: 'reasoning' },
      { type: 'REASONING_MESSAGE_CONTENT', messageId: at(3), delta: 'Hm' },
      { type: 'REASONING_MESSAGE_CONTENT', messageId: at(3), delta: '.' },
      { type: 'REASONING_MESSAGE_END', messageId: at(3) },
      { type: 'REASONING_END', messageId: at(3) },
      { type: 'TEXT_MESSAGE_START', messageId: at(5), role: 'assistant' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: at(5), delta: 'Good ' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: at(5), delta: 'day' },
      { type: 'TEXT_MESSAGE_END', messageId: at(5) },
      {
        type: 'RUN_FINISHED',
        threadId: 'thread',
        runId: 'r1',
        outcome: { type: 'success' },
        usage: [{ model: 'a-model', ...TOLD_USAGE }],
        metadata: { stop_reason: 'end_turn', cost_usd: 0.5 },
      },
    ]);
  });

  it('gives parallel calls one parent, with whole arguments, and says of a result whether it is an error', () => {
    const events = [
      token('I look.'),
      call('a', { at: 'sea' }),
      call('b'),
      result('b', 'lost', true),
      result('a', { fish: 2 }),
    ];
    expect(map(events)).toEqual([
      { type: 'TEXT_MESSAGE_START', messageId: at(1), role: 'assistant' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: at(1), delta: 'I look.' },
      { type: 'TEXT_MESSAGE_END', messageId: at(1) },
      { type: 'TOOL_CALL_START', toolCallId: 'a', toolCallName: 'look', parentMessageId: at(1) },
      { type: 'TOOL_CALL_ARGS', toolCallId: 'a', delta: '{"at":"sea"}' },
      { type: 'TOOL_CALL_END', toolCallId: 'a' },
      { type: 'TOOL_CALL_START', toolCallId: 'b', toolCallName: 'look', parentMessageId: at(1) },
      { type: 'TOOL_CALL_ARGS', toolCallId: 'b', delta: '{}' },
      { type: 'TOOL_CALL_END', toolCallId: 'b' },
      {
        type: 'TOOL_CALL_RESULT',
        messageId: at(4),
        role: 'tool',
        toolCallId: 'b',
        content: 'Error: lost',
        metadata: { is_error: true, duration_ms: 3 },
      },
      {
        type: 'TOOL_CALL_RESULT',
        messageId: at(5),
        role: 'tool',
        toolCallId: 'a',
        content: '{"fish":2}',
        metadata: { is_error: false, duration_ms: 3 },
      },
    ]);
  });

  it('gives calls without a text a parent of their own, another one in each turn', () => {
    const parents = map([
      call('a'),
      call('b'),
      result('a', 1),
      result('b', 2),
      call('c'),
      result('c', 3),
    ]).flatMap((event) => (event.type === 'TOOL_CALL_START' ? [event.parentMessageId] : []));
    expect(parents).toEqual([at(1), at(1), at(5)]);
  });

  it('a run that failed ends with the error alone, once it is final', () => {
    const error: RunEvent = {
      type: 'error',
      data: { error: 'Too busy.', code: 'overloaded', retryable: true },
    };
    expect(map([token('Go'), error, done('failed')]).slice(2)).toEqual([
      { type: 'TEXT_MESSAGE_END', messageId: at(1) },
      {
        type: 'RUN_ERROR',
        message: 'Too busy.',
        code: 'overloaded',
        usage: [TOLD_USAGE],
        metadata: { retryable: true },
      },
    ]);
    expect(map([error, reset(0), done()]).map(({ type }) => type)).toEqual([
      'MESSAGES_SNAPSHOT',
      'RUN_FINISHED',
    ]);
  });

  it('a run that was cancelled is finished as such', () => {
    expect(map([done('cancelled')])).toMatchObject([
      { type: 'RUN_FINISHED', outcome: { type: 'cancelled' } },
    ]);
  });

  it('a reset closes what is open, and leaves what was there before the broken turn', () => {
    const events = [
      call('a'),
      result('a', 1),
      thinking('No'),
      token('Wro'),
      reset(2),
      thinking('Yes'),
      token('Right'),
    ];
    expect(map(events).slice(11)).toEqual([
      { type: 'TEXT_MESSAGE_END', messageId: at(4) },
      snapshotOf(
        {
          id: at(1),
          role: 'assistant',
          toolCalls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }],
        },
        {
          id: at(2),
          role: 'tool',
          toolCallId: 'a',
          content: '1',
          metadata: { is_error: false, duration_ms: 3 },
        },
        // A snapshot without any reasoning would leave the client what it has of it.
        { id: at(3), role: 'reasoning', content: '' },
      ),
      { type: 'REASONING_START', messageId: at(3) },
      { type: 'REASONING_MESSAGE_START', messageId: at(3), role: 'reasoning' },
      { type: 'REASONING_MESSAGE_CONTENT', messageId: at(3), delta: 'Yes' },
      { type: 'REASONING_MESSAGE_END', messageId: at(3) },
      { type: 'REASONING_END', messageId: at(3) },
      { type: 'TEXT_MESSAGE_START', messageId: at(7), role: 'assistant' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: at(7), delta: 'Right' },
    ]);
  });

  it('a reset within one long text leaves its beginning', () => {
    expect(map([token('One. '), token('Tw'), reset(1)]).at(-1)).toEqual(
      snapshotOf({ id: at(1), role: 'assistant', content: 'One. ' }),
    );
  });

  it('a run that waits ends with what it asks for, after all that is needed to go on', () => {
    const events = [
      call('a', { at: 'sea' }),
      call('b'),
      approval('a'),
      result('b', 'seen'),
      status('waiting'),
    ];
    expect(map(events).slice(-3)).toMatchObject([
      { type: 'STATE_SNAPSHOT', snapshot: { page: 3 } },
      { type: 'MESSAGES_SNAPSHOT', messages: [{ id: 'u1' }, { id: at(1) }, { id: at(4), content: 'seen' }] },
      {
        type: 'RUN_FINISHED',
        outcome: {
          type: 'interrupt',
          interrupts: [
            {
              id: `${RUN}.a`,
              reason: 'tool_call',
              toolCallId: 'a',
              expiresAt: '2026-11-26T01:00:00Z',
              metadata: { tool: 'look', args: { at: 'sea' } },
              responseSchema: { type: 'object', required: ['approved'] },
            },
          ],
        },
      },
    ]);
  });

  it('a run that waits again asks only for what is not answered', () => {
    const events = [
      call('a'),
      call('b'),
      approval('a'),
      approval('b'),
      status('waiting'),
      status('running'),
      result('a', 'late', true),
      status('waiting'),
    ];
    expect(map(events).at(-1)).toMatchObject({ outcome: { interrupts: [{ toolCallId: 'b' }] } });
  });
});

describe('a client that comes back', () => {
  it('gets what was said as one snapshot, and the unfinished message open', () => {
    expect(catchUp([status('running'), thinking('Hm.'), token('Good '), token('d')])).toEqual([
      snapshotOf(
        { id: at(2), role: 'reasoning', content: 'Hm.' },
        { id: at(3), role: 'assistant', content: 'Good d' },
      ),
      { type: 'TEXT_MESSAGE_START', messageId: at(3), role: 'assistant' },
    ]);
    expect(catchUp([thinking('Hm')]).slice(1)).toEqual([
      { type: 'REASONING_START', messageId: at(1) },
      { type: 'REASONING_MESSAGE_START', messageId: at(1), role: 'reasoning' },
    ]);
  });

  it('gets the end of a run that is over, whichever it was', () => {
    const ends = (['completed', 'cancelled', 'failed'] as const).map((of) =>
      catchUp([token('Hi'), done(of)]),
    );
    expect(ends.map((events) => events.map(({ type }) => type))).toEqual([
      ['MESSAGES_SNAPSHOT', 'RUN_FINISHED'],
      ['MESSAGES_SNAPSHOT', 'RUN_FINISHED'],
      ['MESSAGES_SNAPSHOT', 'RUN_ERROR'],
    ]);
  });

  it('gets once more what the run waits for, but not what it waited for before', () => {
    const waiting = [call('a'), approval('a'), status('waiting')];
    expect(catchUp(waiting).at(-1)).toMatchObject({ outcome: { type: 'interrupt' } });
    expect(catchUp([...waiting, status('running')]).map(({ type }) => type)).toEqual(['MESSAGES_SNAPSHOT']);
  });

  it('is told to drop everything when the log was lost', () => {
    const mapping = new RunMapping(CLIENT);
    for (const event of placed([token('Go'), approval('a')])) mapping.map(event);
    expect(mapping.startAgain()).toEqual([{ type: 'TEXT_MESSAGE_END', messageId: at(1) }, snapshotOf()]);
  });
});
