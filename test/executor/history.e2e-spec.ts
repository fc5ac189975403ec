import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  messageEnd,
  messageStart,
  textBlock,
  textReply,
  thinkingBlock,
  toolReply,
  toolUseBlock,
  wireEvent,
} from '../support/anthropic/anthropic-sse.js';
import { LoopStage } from '../support/anthropic/loop-stage.js';
import type { StrictAnswer } from '../support/anthropic/strict-answer.js';
import { blocksOf, type WireBody } from '../support/anthropic/strict-anthropic.js';
import { ADA } from '../support/runs/run-bench.js';

let stage: LoopStage;

beforeAll(async () => {
  stage = await LoopStage.open();
  stage.bench.addTool('write', () => 'written');
  stage.bench.addTool('read', () => 'read');
});
beforeEach(() => stage.forget());
afterAll(() => stage.close());

const WHOLE: StrictAnswer = { sse: textReply(['Done.']) };
const reading = (id: string): StrictAnswer => ({ sse: toolReply([], [{ id, name: 'read', input: { id } }]) });
const bodies = (): WireBody[] => stage.upstream.calls.map(({ body }) => body);
/** Without the marks of the cache, which move. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'cache_control' ? undefined : inner)));
/** By the mark for all, which the service sets on the last block, or by a mark there. */
const isCachedToItsEnd = ({ messages, cache_control: automatic }: WireBody) =>
  (automatic ?? blocksOf(messages.at(-1)!).at(-1)!['cache_control']) !== undefined;

const empty = (index: number, signature: string) => [
  wireEvent('content_block_start', {
    index,
    content_block: { type: 'thinking', thinking: '', signature: '' },
  }),
  wireEvent('content_block_delta', { index, delta: { type: 'signature_delta', signature } }),
  wireEvent('content_block_stop', { index }),
];
const redacted = (index: number) => [
  wireEvent('content_block_start', {
    index,
    content_block: { type: 'redacted_thinking', data: 'ZGF0YQ==' },
  }),
  wireEvent('content_block_stop', { index }),
];

const usage = (input: number, output: number, read = 0) => ({
  input_tokens: input,
  output_tokens: output,
  cache_read_input_tokens: read,
  cache_creation_input_tokens: 0,
});

describe('what is asked of the model', () => {
  it('item 38: has the whole prompt cached, up to its last block, with tools and system that stay the same', async () => {
    stage.upstream.answer(reading('k1'), reading('k2'), WHOLE);
    const session = await stage.bench.sessions.create(ADA, { system: 'Be brief.' });

    await stage.say('go', {}, { sessionId: session.id });

    const [first, ...others] = bodies();
    expect(others).toHaveLength(2);
    for (const body of bodies()) expect(isCachedToItsEnd(body)).toBe(true);
    for (const { tools, system } of others) {
      expect(plain({ tools, system })).toEqual(plain({ tools: first!.tools, system: first!.system }));
    }
    expect(first!.tools!.map(({ name }) => name)).toEqual(['read', 'write']);
    expect(stage.upstream.refusals).toEqual([]);
  });

  it('item 41: is only ever appended to, over turns and runs', async () => {
    stage.upstream.answer(reading('a1'), reading('a2'), WHOLE);
    const { run } = await stage.say('one');
    await stage.say('two', {}, { sessionId: run.sessionId });

    const histories = bodies().map(({ messages }) =>
      messages.map((m) => plain({ role: m.role, content: blocksOf(m) })),
    );
    expect(histories.map(({ length }) => length)).toEqual([1, 3, 5, 7]);
    for (const [index, history] of histories.entries()) {
      const before = histories[index - 1] ?? [];
      expect(history.slice(0, before.length)).toEqual(before);
    }
  });

  it('item 42: goes to the model that the run began with, whatever the session is changed to meanwhile', async () => {
    const session = await stage.bench.sessions.create(ADA, {});
    stage.bench.addTool('switch', async () => {
      await stage.bench.sessions.save(ADA, session.id, { model: 'claude-haiku-5-5', system: 'Another.' });
      return 'switched';
    });
    stage.upstream.answer({ sse: toolReply([], [{ id: 'm1', name: 'switch', input: {} }]) }, WHOLE);

    await stage.say('go', {}, { sessionId: session.id });

    expect(bodies().map(({ model }) => model)).toEqual(['claude-opus-5-5', 'claude-opus-5-5']);
    expect(plain(bodies()[1]!.system)).toEqual(plain(bodies()[0]!.system));
  });
});

describe('thinking', () => {
  it('item 40: goes back as it came, also where its text is empty or hidden, between calls and over runs', async () => {
    stage.upstream.answer(
      {
        sse: [
          messageStart(),
          ...thinkingBlock(0, 'Let me think. ', 'sig_a'),
          ...redacted(1),
          ...empty(2, 'sig_b'),
          ...toolUseBlock(3, { id: 't1', name: 'read', input: {} }),
          ...messageEnd('tool_use'),
        ],
      },
      {
        sse: [
          messageStart(),
          ...empty(0, 'sig_c'),
          ...toolUseBlock(1, { id: 't2', name: 'read', input: {} }),
          ...messageEnd('tool_use'),
        ],
      },
      WHOLE,
    );

    const { run } = await stage.say('go');
    await stage.say('more', {}, { sessionId: run.sessionId });

    expect(stage.upstream.refusals).toEqual([]);
    const thoughts = bodies()[3]!
      .messages.flatMap(blocksOf)
      .filter(({ type }) => type.endsWith('thinking'));
    expect(thoughts).toEqual([
      { type: 'thinking', thinking: 'Let me think. ', signature: 'sig_a' },
      { type: 'redacted_thinking', data: 'ZGF0YQ==' },
      { type: 'thinking', thinking: '', signature: 'sig_b' },
      { type: 'thinking', thinking: '', signature: 'sig_c' },
    ]);
  });
});

const thought = (signature: string): StrictAnswer => ({
  sse: [
    messageStart(),
    ...thinkingBlock(0, 'So. ', signature),
    ...textBlock(1, ['Done.']),
    ...messageEnd('end_turn'),
  ],
});

describe('thinking after a change', () => {
  it('item 40: is left out where something before it has changed, and the service takes the history', async () => {
    stage.upstream.answer(thought('sig_1'), thought('sig_2'), WHOLE);
    const session = await stage.bench.sessions.create(ADA, { system: 'Be brief.' });

    await stage.say('one', {}, { sessionId: session.id });
    await stage.bench.sessions.save(ADA, session.id, { system: 'Be long.' });
    await stage.say('two', {}, { sessionId: session.id });
    const { text } = await stage.say('three', {}, { sessionId: session.id });

    expect(text).toBe('Done.');
    expect(stage.asked(2)).toBe('user: text | assistant: text | user: text');
    expect(stage.asked(3)).toBe(
      'user: text | assistant: text | user: text | assistant: thinking text | user: text',
    );
    expect(stage.upstream.refusals).toEqual([]);
  });
});

describe('what is told of a call', () => {
  it('item 37: is its last usage, added up over the calls of a run', async () => {
    const first = [
      messageStart(usage(2751, 1)),
      ...toolUseBlock(0, { id: 'g1', name: 'read', input: {} }),
      wireEvent('message_delta', {
        delta: { stop_reason: null },
        usage: { input_tokens: 300_000, output_tokens: 40 },
      }),
      wireEvent('message_delta', {
        delta: { stop_reason: 'tool_use' },
        usage: { input_tokens: 320_032, output_tokens: 70, cache_read_input_tokens: null },
      }),
      wireEvent('message_stop'),
    ];
    stage.upstream.answer({ sse: first }, { sse: textReply(['Done.'], usage(10, 5, 6289)) });

    const { done } = await stage.say('go');

    expect(done.usage).toEqual({
      input_tokens: 320_042,
      output_tokens: 75,
      cache_read_input_tokens: 6289,
      cache_creation_input_tokens: 0,
      model_calls: 2,
      estimated: false,
    });
  });

  it.each([
    ['ends', 'cut'],
    ['goes on with an error', 'error'],
  ] as const)('item 37: counts also when the answer %s right after it', async (_, kind) => {
    stage.bench.meter.settled.length = 0;
    const sse = textReply(['Done.'], usage(10, 5000)).join('');
    const stop = sse.indexOf('event: message_stop');
    // An error comes after the event in which its byte lies.
    const at = kind === 'cut' ? stop : stop - 2;
    stage.upstream.answer(
      { sse, fault: { kind, at, type: 'overloaded_error' } },
      { sse: textReply(['Done.']) },
    );

    await stage.say('go');

    expect(stage.bench.meter.settled[0]).toMatchObject({ tokens: { output_tokens: 5000 }, estimated: true });
  });

  it('item 43: is kept with the id of each attempt and of each answer', async () => {
    stage.bench.meter.settled.length = 0;
    const sse = textReply(['Done.']).join('');
    stage.upstream.answer({ sse, fault: { kind: 'cut', at: sse.length - 20 } }, { sse });

    await stage.say('go');

    const [broken, whole] = stage.bench.meter.settled;
    const messageId = /"id":"(msg_fake_\d+)"/.exec(sse)![1];
    expect(broken).toMatchObject({ requestId: 'req_strict_1', messageId, estimated: true });
    expect(whole).toMatchObject({ requestId: 'req_strict_2', messageId, estimated: false });
  });
});
