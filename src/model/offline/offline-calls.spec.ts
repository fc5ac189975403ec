import { describe, expect, it } from '@jest/globals';
import { callsFor } from './offline-calls.js';
import type { OfflineTool } from './offline-request.js';

function tool(name: string, properties: Record<string, unknown> = {}, required: string[] = []): OfflineTool {
  return { name, description: `Does ${name}.`, input_schema: { type: 'object', properties, required } };
}

const TIME = tool('get_time', { timezone: { type: 'string' } });
const CALCULATE = tool('calculate', { expression: { type: 'string' } }, ['expression']);
const FETCH = tool('fetch_url', { url: { type: 'string', format: 'uri' } }, ['url']);
const BUILT_IN = [TIME, CALCULATE, FETCH];

const calls = (text: string, tools = BUILT_IN) =>
  callsFor(text, tools).map(({ name, input }) => [name, input]);

describe('callsFor', () => {
  it.each([
    ['What time is it?', [['get_time', {}]]],
    ['What is the date today', [['get_time', {}]]],
    ['What time is it in Tokyo?', [['get_time', { timezone: 'Asia/Tokyo' }]]],
    ['How much is 6 * 7?', [['calculate', { expression: '6 * 7' }]]],
    ['12 times 3, please', [['calculate', { expression: '12 * 3' }]]],
    ['calculate (1,200 + 3.5) / 2.', [['calculate', { expression: '(1200 + 3.5) / 2' }]]],
    ['what is sqrt(16) + 2?', [['calculate', { expression: 'sqrt(16) + 2' }]]],
    ['Read https://example.com/a?b=1.', [['fetch_url', { url: 'https://example.com/a?b=1' }]]],
  ])('%s', (text, expected) => {
    expect(calls(text)).toEqual(expected);
  });

  it.each([
    'Hello, who are you?',
    'I was born on 2026-11-23.',
    'A timeout is no answer.',
    'Without tools: what time is it?',
    '',
  ])('asks for nothing when the text asks for nothing: %j', (text) => {
    expect(calls(text)).toEqual([]);
  });

  it('asks for several tools at once', () => {
    expect(calls('Tell me the time, compute 2+2 and fetch http://a.example/x')).toEqual([
      ['get_time', {}],
      ['calculate', { expression: '2+2' }],
      ['fetch_url', { url: 'http://a.example/x' }],
    ]);
  });

  it('takes a plain word for the name of a tool and still sees the others', () => {
    expect(calls('calculate 2+2 and tell me the date')).toEqual([
      ['get_time', {}],
      ['calculate', { expression: '2+2' }],
    ]);
  });

  it('asks for one tool several times when several arguments stand in the text', () => {
    expect(calls('Compare http://a.example and http://b.example')).toEqual([
      ['fetch_url', { url: 'http://a.example' }],
      ['fetch_url', { url: 'http://b.example' }],
    ]);
    expect(calls('The time in Paris and in New York?')).toEqual([
      ['get_time', { timezone: 'Europe/Paris' }],
      ['get_time', { timezone: 'America/New_York' }],
    ]);
  });

  it('takes a tool by its name, or by all clear words of it', () => {
    const tools = [tool('send_invoice'), tool('send_reminder'), tool('getWeather')];

    expect(calls('use send_invoice now', tools)).toEqual([['send_invoice', {}]]);
    expect(calls('Please send the invoices to Ann', tools)).toEqual([['send_invoice', {}]]);
    expect(calls('How is the weather?', tools)).toEqual([['getWeather', {}]]);
    expect(calls('Remind me.', tools)).toEqual([]);
  });

  it('does not guess further when a tool is called by its name', () => {
    const tools = [...BUILT_IN, tool('log_visit', { page: { type: 'string', format: 'uri' } }, ['page'])];

    expect(calls('log_visit at a good time for https://example.com', tools)).toEqual([
      ['log_visit', { page: 'https://example.com' }],
    ]);
    expect(calls('log_visit "1 + 1" at http://a.example', tools)).toEqual([
      ['log_visit', { page: 'http://a.example' }],
    ]);
    expect(calls('log_visit http://a.example and 1 + 1', tools)).toEqual([
      ['calculate', { expression: '1 + 1' }],
      ['log_visit', { page: 'http://a.example' }],
    ]);
  });

  it('makes arguments of the kinds that the schema wants', () => {
    const order = tool(
      'place_order',
      {
        item: { type: 'string', maxLength: 5 },
        amount: { type: 'integer', maximum: 10 },
        price: { type: 'number' },
        size: { enum: ['small', 'large'] },
        express: { type: 'boolean' },
        tags: { type: 'array', items: { type: 'string' } },
        ship_on: { type: 'string', format: 'date' },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      },
      ['item', 'amount', 'size', 'tags'],
    );
    const text = 'place_order "apples" 12 at 1.5, large, express, ship on 2026-12-01, note: ring twice';

    expect(calls(text, [order])).toEqual([
      [
        'place_order',
        {
          item: 'apple',
          amount: 10,
          price: 1.5,
          size: 'large',
          express: true,
          tags: ['"apples" 12 at 1.5, large, express, ship on 2026-12-01, note: ring twice'],
          ship_on: '2026-12-01',
          note: 'ring twice',
        },
      ],
    ]);
  });

  it('fills every required field and no other when the text says nothing for them', () => {
    const echo = tool(
      'echo',
      {
        text: { type: 'string' },
        times: { type: 'integer', minimum: 2 },
        loud: { type: 'boolean' },
        mode: { enum: ['plain', 'fancy'] },
        inner: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] },
        spare: { type: 'string' },
      },
      ['text', 'times', 'loud', 'mode', 'inner'],
    );

    expect(calls('echo good morning', [echo])).toEqual([
      ['echo', { text: 'good morning', times: 2, loud: true, mode: 'plain', inner: { a: 1 } }],
    ]);
  });

  it('takes the text after the name for a required string', () => {
    const weather = tool('get_weather', { city: { type: 'string' } }, ['city']);

    expect(calls('What is the weather in Paris?', [weather])).toEqual([['get_weather', { city: 'Paris' }]]);
  });

  it('gives work to a sub-agent only when asked to, not for the word task', () => {
    const task = tool('task', { prompt: { type: 'string' } }, ['prompt']);

    expect(calls('Go on with the task.', [task])).toEqual([]);
    expect(calls('Delegate this: count the files', [task])).toEqual([
      ['task', { prompt: expect.any(String) }],
    ]);
  });

  it('looks at long hostile texts in little time', () => {
    const cpu = process.cpuUsage();

    for (const text of ['(', '1+', ' ', 'a ', '"', 'https://', '1,']) calls(text.repeat(1_000_000));

    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(1500);
  });
});
