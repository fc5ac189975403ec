import { describe, expect, it } from '@jest/globals';
import { estimateTokens } from '../estimate-tokens.js';
import type { ModelEvent, ModelRequest } from '../language-model.js';
import { AnswerMender } from './answer-mender.js';
import { PROFILES, type ProfileName } from './profiles.js';

const call = { type: 'tool_use', id: 'call_0', name: 'add', input: { a: 1 } };
const REQUEST: ModelRequest = {
  model: 'llama',
  system: null,
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'Add.' }] },
    { role: 'assistant', content: [call] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_0', content: '1' }] },
  ],
  tools: [],
  maxTokens: 100,
};
const usageOf = (input_tokens: number, output_tokens: number) => ({
  input_tokens,
  output_tokens,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
});
const stopped = (usage = usageOf(0, 0)): ModelEvent => ({
  type: 'stop',
  stopReason: 'tool_use',
  usage,
  unfinished: false,
});
const calling = (id: unknown, name: unknown = 'add'): ModelEvent => ({
  type: 'block',
  block: 1,
  content: { ...call, id, name },
});
const ANSWER: ModelEvent[] = [
  { type: 'text', block: 0, text: 'ten chars.' },
  { type: 'block', block: 0, content: { type: 'text', text: '' } },
  calling('call_1'),
];
const EVERY = Object.keys(PROFILES) as ProfileName[];

function mended(profile: ProfileName, ...events: ModelEvent[]): ModelEvent[] {
  return answered(profile, REQUEST, ...events);
}

function answered(profile: ProfileName, request: ModelRequest, ...events: ModelEvent[]): ModelEvent[] {
  const mender = new AnswerMender(request, PROFILES[profile]);
  return events.map((event) => mender.mend(event));
}

const tool = (name: unknown) => ({ name: String(name), description: 'd', input_schema: {} });
const namesOf = (events: ModelEvent[]) =>
  events.map((event) => (event.type === 'block' ? event.content['name'] : event.type));

describe('AnswerMender', () => {
  it('changes nothing of what the service itself answers', () => {
    const events = [...ANSWER, stopped()];

    expect(mended('anthropic', ...events)).toEqual(events);
  });

  it('hands a call that the service tells twice on once', () => {
    const [first, second] = mended('anthropic', ANSWER[2]!, ANSWER[2]!);

    expect(first).toEqual(ANSWER[2]);
    expect(second).toEqual({ type: 'unknown', raw: { ...call, id: 'call_1' } });
  });

  it('hands on once what the service tells twice under the id of an earlier answer, too', () => {
    expect(mended('anthropic', calling('call_0'), calling('call_0'))).toEqual([
      calling('call_0_2'),
      { type: 'unknown', raw: call },
    ]);
  });

  it.each(EVERY)('gives a call that has the id of an earlier answer another id: %s', (profile) => {
    expect(mended(profile, calling('call_0'), calling('call_0_2'), calling('call_1'))).toEqual([
      calling('call_0_2'),
      calling('call_0_2_2'),
      calling('call_1'),
    ]);
  });

  it.each(EVERY)(
    'makes no id that a part of the history may have which is not told any more: %s',
    (profile) => {
      const request = { ...REQUEST, callSuffix: 'cmp_1' };
      expect(answered(profile, request, calling('call_9'))).toEqual([calling('call_9_cmp_1')]);
    },
  );

  it.each(EVERY)('makes ids sendable that the API would refuse in every later request: %s', (profile) => {
    expect(mended(profile, calling('a b'), calling('a.b'), calling(''), calling(undefined))).toEqual([
      calling('a_b'),
      calling('a_b_2'),
      calling('call'),
      calling('call_2'),
    ]);
  });

  it('makes a name sendable that the API would refuse in every later request', () => {
    const names = namesOf(
      mended(
        'anthropic',
        calling('a', 'get weather'),
        calling('b', ''),
        calling('c', null),
        calling('d', 'ü'.repeat(300)),
      ),
    );

    expect(names).toEqual([
      expect.stringMatching(/^no-such-tool_get_weather_[0-9a-f]{8}$/),
      expect.stringMatching(/^no-such-tool__[0-9a-f]{8}$/),
      expect.stringMatching(/^no-such-tool__[0-9a-f]{8}$/),
      expect.stringMatching(/^no-such-tool___[0-9a-f]{8}$/),
    ]);
  });

  it('mends a name the same every time, to one of its own', () => {
    const once = mended('anthropic', calling('a', 'x y'), calling('b', 'x.y'));

    expect(mended('anthropic', calling('a', 'x y'), calling('b', 'x.y'))).toEqual(once);
    expect(new Set(namesOf(once)).size).toBe(2);
  });

  it('never mends a name to that of a tool', () => {
    const told = calling('a', 'get weather');
    const first = namesOf(mended('anthropic', told))[0];

    const [second] = namesOf(
      answered('anthropic', { ...REQUEST, tools: [tool('get_weather'), tool(first)] }, told),
    );

    expect(second).toBe(`${String(first)}_2`);
  });

  it('leaves names alone that are sendable, though no tool has them', () => {
    const longest = 'n'.repeat(128);
    expect(namesOf(mended('anthropic', calling('a', 'teleport'), calling('b', longest)))).toEqual([
      'teleport',
      longest,
    ]);
  });

  it('hands on what was told of the usage as it is', () => {
    const told: ModelEvent = { type: 'usage', usage: usageOf(0, 3) };
    expect(mended('ollama', told)).toEqual([told]);
  });

  it('estimates tokens that were not told, four characters each in the answer, and says so', () => {
    expect(mended('llama-cpp', ...ANSWER, stopped()).at(-1)).toEqual({
      ...stopped(usageOf(estimateTokens(REQUEST), 5)),
      estimated: true,
    });
  });

  it('keeps tokens that were told', () => {
    expect(mended('vllm', ...ANSWER, stopped(usageOf(3, 0))).at(-1)).toEqual(stopped(usageOf(3, 0)));
  });
});
