import { describe, expect, it } from '@jest/globals';
import { planReply } from './offline-reply.js';
import { InvalidOfflineRequest, readOfflineRequest } from './offline-request.js';

const TOOLS = [
  { name: 'get_time', description: 'Tells the time.', input_schema: { type: 'object', properties: {} } },
  {
    name: 'calculate',
    description: 'Computes.',
    input_schema: {
      type: 'object',
      properties: { expression: { type: 'string' } },
      required: ['expression'],
    },
  },
];

const request = (messages: unknown[], more: object = {}) =>
  readOfflineRequest(JSON.stringify({ model: 'm', max_tokens: 16000, messages, stream: true, ...more }));

const user = (content: unknown) => ({ role: 'user', content });
const called = (id: string, name: string) => ({ type: 'tool_use', id, name, input: {} });
const result = (id: string, content: unknown, is_error = false) => ({
  type: 'tool_result',
  tool_use_id: id,
  content,
  is_error,
});

function textOf(messages: unknown[], more?: object): string {
  return planReply(request(messages, more))
    .blocks.map((block) => (block.type === 'text' ? block.text : `[${block.name}]`))
    .join('');
}

describe('planReply', () => {
  it('calls nothing where the request forbids it', () => {
    const asked = [user('What time is it?')];

    expect(textOf(asked, { tools: TOOLS })).toContain('[get_time]');
    expect(textOf(asked, { tools: TOOLS, tool_choice: { type: 'none' } })).not.toContain('[get_time]');
  });

  it('says first that it is not a model, then what it got, which tools there are and what to set', () => {
    expect(textOf([user('Hello there')], { tools: TOOLS })).toBe(
      "I am Agentline's offline stand-in, not a model. You wrote: “Hello there”. I can ask for these tools when your text names what they do: get_time, calculate. To talk to a model, set ANTHROPIC_API_KEY and start the server again.",
    );
  });

  it('asks for tools in parallel', () => {
    const reply = planReply(request([user('The time, and 6 * 7?')], { tools: TOOLS }));

    expect(reply).toEqual({
      stopReason: 'tool_use',
      blocks: [
        {
          type: 'text',
          text: "I am Agentline's offline stand-in, not a model. I ask for get_time and calculate.",
        },
        { type: 'tool_use', name: 'get_time', input: {} },
        { type: 'tool_use', name: 'calculate', input: { expression: '6 * 7' } },
      ],
    });
  });

  it('tells every result and every failure, and ends', () => {
    const messages = [
      user('The time, and 1 / 0?'),
      { role: 'assistant', content: [called('a', 'get_time'), called('b', 'calculate')] },
      user([
        result('a', '{"iso":"2026-11-23"}'),
        result('b', [{ type: 'text', text: 'division by zero' }], true),
      ]),
    ];

    expect(planReply(request(messages, { tools: TOOLS }))).toEqual({
      stopReason: 'end_turn',
      blocks: [
        { type: 'text', text: 'get_time answered: {"iso":"2026-11-23"}\ncalculate failed: division by zero' },
      ],
    });
  });

  it('answers also what was said beside the results', () => {
    const messages = [
      user('The time?'),
      { role: 'assistant', content: [called('a', 'get_time')] },
      user([result('a', 'noon')]),
      user('And count to 3'),
    ];

    expect(textOf(messages)).toBe(
      "get_time answered: noon\n\nI am Agentline's offline stand-in, not a model. 1 2 3",
    );
  });

  it('counts as far as it is told, up to ten thousand', () => {
    expect(textOf([user('Please count to 12')])).toBe(
      "I am Agentline's offline stand-in, not a model. 1 2 3 4 5 6 7 8 9 10 11 12",
    );
    expect(textOf([user('count to 10,000')])).toMatch(/ 9999 10000$/);
    expect(textOf([user('count to 10001')])).toMatch(/I count to 10000 at most\.$/);
  });

  it('says that it cannot see images', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA' } };

    expect(textOf([user([image, { type: 'text', text: 'What is this?' }])])).toMatch(
      /^I am Agentline's offline stand-in, not a model\. You sent an image, which I cannot see\. You wrote: “What is this\?”\./,
    );
  });

  it('stops at max_tokens words, in text and before a tool call', () => {
    expect(planReply(request([user('count to 100')], { max_tokens: 10 }))).toEqual({
      stopReason: 'max_tokens',
      blocks: [{ type: 'text', text: "I am Agentline's offline stand-in, not a model. 1 2 " }],
    });
    expect(planReply(request([user('6 * 7?')], { max_tokens: 11, tools: TOOLS })).stopReason).toBe(
      'max_tokens',
    );
  });

  it('shows the start of long texts and results only', () => {
    expect(textOf([user('x'.repeat(100_000))])).toContain(`“${'x'.repeat(200)}… (99800 more characters)”`);
  });
});

describe('readOfflineRequest', () => {
  const asked = { role: 'assistant', content: [called('a', 'get_time'), called('b', 'calculate')] };

  it.each([
    ['no messages', []],
    ['an empty message', [user([])]],
    ['an assistant first', [{ role: 'assistant', content: 'Hi' }, user('Hi')]],
    ['an assistant last', [user('Hi'), { role: 'assistant', content: 'Hi' }]],
    ['a call without its result', [user('Hi'), asked, user([result('a', '1')])]],
    [
      'a result without its call',
      [user('Hi'), asked, user([result('a', '1'), result('b', '2'), result('c', '3')])],
    ],
    ['a result twice', [user('Hi'), asked, user([result('a', '1'), result('b', '2'), result('b', '2')])]],
    [
      'text before the results',
      [user('Hi'), asked, user([{ type: 'text', text: 'x' }, result('a', '1'), result('b', '2')])],
    ],
  ])('refuses, as the real API does, %s', (_, messages) => {
    expect(() => request(messages)).toThrow(InvalidOfflineRequest);
  });

  it('refuses what is not JSON and what is not to be streamed', () => {
    expect(() => readOfflineRequest('{')).toThrow('the body is not JSON');
    expect(() => request([user('Hi')], { stream: false })).toThrow(InvalidOfflineRequest);
  });
});
