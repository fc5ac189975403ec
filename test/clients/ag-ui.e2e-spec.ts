import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { HttpAgent, type Interrupt } from '@ag-ui/client';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Tool } from '../../src/tools/tool.decorator.js';
import {
  messageEnd,
  messageStart,
  textBlock,
  textReply,
  thinkingBlock,
  toolReply,
  toolUseBlock,
} from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { type Answer, Api, expectStatus, type Receipt, tokenFor } from '../support/api.js';
import { type RunningApp, startApp } from '../support/app.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';
import {
  answers,
  ask,
  isText,
  lastOf,
  linesOf,
  longThinking,
  run,
  shapeOf,
  toolsSorted,
} from './ag-ui-page.js';
import { Cuts, untilFinished } from './ag-ui-cuts.js';

const payment = z.strictObject({ eur: z.number() });
const effects: string[] = [];

@Injectable()
class ShopTools {
  @Tool({ name: 'look', description: 'Looks.', input: z.strictObject({ at: z.string() }) })
  look({ at }: { at: string }): string {
    if (at === 'nothing') throw new Error('there is nothing to see');
    return `seen ${at}`;
  }

  @Tool({ name: 'pay', description: 'Pays.', input: payment, approval: 'always' })
  pay({ eur }: z.output<typeof payment>): object {
    effects.push(`pay ${eur}`);
    return { paid: eur };
  }
}

class AroundApp {}

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let made = 0;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  app = await startApp({ ...upstreamEnv(upstream.url), HEARTBEAT_MS: '40' }, (application) => ({
    module: AroundApp,
    imports: [application],
    providers: [ShopTools],
  }));
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

afterEach(() => {
  effects.length = 0;
  upstream.forget();
  jest.restoreAllMocks();
});

/** A page with one thread. It warns of nothing: each warning would be something that its verifier took away. */
function page(base = app.url, options: { threadId?: string } = {}): HttpAgent {
  jest.spyOn(console, 'warn').mockImplementation((text) => {
    throw new Error(`the client warns: ${text}`);
  });
  const url = new URL('/api/formats/ag-ui', base).href;
  return new HttpAgent({
    url,
    headers: ada.authorization,
    threadId: options.threadId ?? `thread-${(made += 1)}`,
  });
}

/** The model calls these tools, then says that it is done. */
function willCall(
  texts: string[],
  calls: { id: string; name: string; input: object }[],
  then = ['Done.'],
): void {
  upstream.answer(({ body }: UpstreamCall) => {
    const last = body.messages.at(-1);
    const isTold = last !== undefined && blocksOf(last).some(({ type }) => type === 'tool_result');
    return { sse: isTold ? textReply(then) : toolReply(texts, calls) };
  });
}

function willSay(reply: Reply): void {
  upstream.answer(() => reply);
}

describe('an unmodified AG-UI client', () => {
  it('shows thinking and text as they stream, and the usage at the end', async () => {
    willSay({
      sse: [
        messageStart({
          input_tokens: 10,
          output_tokens: 1,
          cache_read_input_tokens: 200,
          cache_creation_input_tokens: 30,
        }),
        ...thinkingBlock(0, 'Hm.', 'c2ln'),
        ...textBlock(1, ['Good ', 'day.']),
        ...messageEnd('end_turn', {
          input_tokens: 10,
          output_tokens: 7,
          cache_read_input_tokens: 200,
          cache_creation_input_tokens: 30,
        }),
      ],
    });
    const agent = page();
    const told = await ask(agent, 'hello');

    expect(shapeOf(told)).toEqual([
      'RUN_STARTED',
      'REASONING_START',
      'REASONING_MESSAGE_START',
      'REASONING_MESSAGE_CONTENT',
      'REASONING_MESSAGE_END',
      'REASONING_END',
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
      'RUN_FINISHED',
    ]);
    expect(linesOf(agent.messages)).toEqual(['user: hello', 'reasoning: Hm.', 'assistant: Good day.']);
    expect(lastOf(told)).toMatchObject({
      outcome: { type: 'success' },
      usage: [
        {
          inputTokens: 240,
          outputTokens: 7,
          totalTokens: 247,
          cachedInputTokens: 200,
          cacheWriteInputTokens: 30,
        },
      ],
      metadata: { stop_reason: 'end_turn' },
    });
  });

  it('holds parallel tool calls in one message, each with its result, also of one that failed', async () => {
    willCall(
      ['I look.'],
      [
        { id: 'toolu_1', name: 'look', input: { at: 'the sea' } },
        { id: 'toolu_2', name: 'look', input: { at: 'nothing' } },
      ],
    );
    const agent = page();
    await ask(agent, 'look');

    const [, calls, ...rest] = linesOf(agent.messages);
    expect(calls).toBe('assistant: I look. look#toolu_1{"at":"the sea"} look#toolu_2{"at":"nothing"}');
    expect(rest.at(-1)).toBe('assistant: Done.');
    const results = agent.messages.filter(({ role }) => role === 'tool');
    expect(linesOf(results).toSorted()).toEqual([
      'tool toolu_1: seen the sea',
      'tool toolu_2: Error: The tool failed.',
    ]);
    expect(
      new Map(results.map((m) => [m.role === 'tool' && m.toolCallId, m.metadata?.['is_error']])),
    ).toEqual(
      new Map([
        ['toolu_1', false],
        ['toolu_2', true],
      ]),
    );
  });

  it('goes on with its conversation, whose history is the server’s own', async () => {
    const sent: string[] = [];
    upstream.answer(({ body }) => {
      sent.push(
        body.messages
          .flatMap(blocksOf)
          .map(({ text }) => text)
          .join('|'),
      );
      return { sse: textReply([`answer ${sent.length}`]) };
    });
    const agent = page();
    await ask(agent, 'one');
    agent.setMessages([
      { id: 'x', role: 'assistant', content: 'never said '.repeat(50_000) },
      ...agent.messages,
    ]);
    await ask(agent, 'two');

    expect(sent).toEqual(['one', 'one|answer 1|two']);
  });

  it('knows a session by its own id', async () => {
    willSay({ sse: textReply(['Hello.']) });
    const session = await ada.createSession();
    const agent = page(app.url, { threadId: session });
    await ask(agent, 'hello');

    expect((await ada.runsOf(session)).map(({ status }) => status)).toEqual(['completed']);
  });

  it('takes a failed run as failed, with all that was said before', async () => {
    willSay({
      status: 400,
      json: { type: 'error', error: { type: 'invalid_request_error', message: 'no' } },
    });
    const agent = page();
    const told = await ask(agent, 'hello');

    expect(shapeOf(told)).toEqual(['RUN_STARTED', 'RUN_ERROR']);
    expect(lastOf(told)).toMatchObject({ code: 'invalid_request_error', metadata: { retryable: false } });
    expect(linesOf(agent.messages)).toEqual(['user: hello']);
  });

  it('drops what a broken turn of the model has said, and ends with what is true', async () => {
    let calls = 0;
    upstream.answer(() => {
      calls += 1;
      const sse = [
        messageStart(),
        ...thinkingBlock(0, `Thought ${calls}.`, 'c2ln'),
        ...textBlock(1, [`Try ${calls}`]),
      ];
      return calls === 1
        ? { sse, errorAfter: { pieces: 8, type: 'overloaded_error' } }
        : { sse: [...sse, ...messageEnd('end_turn')] };
    });
    const agent = page();
    const told = await ask(agent, 'hello');

    expect(calls).toBe(2);
    expect(shapeOf(told)).toContain('MESSAGES_SNAPSHOT');
    expect(linesOf(agent.messages)).toEqual(['user: hello', 'reasoning: Thought 2.', 'assistant: Try 2']);
  });
});

describe('what a client decides', () => {
  const CALLS = [
    { id: 'toolu_a', name: 'pay', input: { eur: 5 } },
    { id: 'toolu_b', name: 'pay', input: { eur: 7 } },
    { id: 'toolu_c', name: 'look', input: { at: 'the till' } },
  ];

  async function interrupted(agent: HttpAgent): Promise<Interrupt[]> {
    willCall(['I pay.'], CALLS);
    const told = await ask(agent, 'pay');
    expect(shapeOf(told).slice(-3)).toEqual(['STATE_SNAPSHOT', 'MESSAGES_SNAPSHOT', 'RUN_FINISHED']);
    return agent.pendingInterrupts;
  }

  it('goes on with the run that asked, and only what follows is told', async () => {
    const agent = page();
    const interrupts = await interrupted(agent);
    expect(interrupts).toMatchObject([
      { reason: 'tool_call', toolCallId: 'toolu_a', metadata: { tool: 'pay', args: { eur: 5 } } },
      { reason: 'tool_call', toolCallId: 'toolu_b', metadata: { tool: 'pay', args: { eur: 7 } } },
    ]);
    const told = await run(agent, { resume: answers(interrupts, 'yes', 'cancelled') });

    expect(told.failure).toBeUndefined();
    expect(shapeOf(told)).toEqual([
      'RUN_STARTED',
      'TOOL_CALL_RESULT',
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
      'RUN_FINISHED',
    ]);
    expect(effects).toEqual(['pay 5']);
    const root = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
    const audit = await root.call<{ data: object[] }>('GET', '/api/admin/audit?action=tool_call.decide');
    expect(audit.body.data.slice(0, 2)).toMatchObject([
      { outcome: 'allowed', details: { tool_call_id: 'toolu_b', tool: 'pay', decision: 'deny' } },
      { outcome: 'allowed', details: { tool_call_id: 'toolu_a', tool: 'pay', decision: 'approve' } },
    ]);
    expect(agent.pendingInterrupts).toEqual([]);
    const lines = linesOf(agent.messages);
    expect(lines.slice(0, 2)).toEqual([
      'user: pay',
      'assistant: I pay. pay#toolu_a{"eur":5} pay#toolu_b{"eur":7} look#toolu_c{"at":"the till"}',
    ]);
    expect(lines.slice(2, -1).toSorted()).toEqual([
      'tool toolu_a: {"paid":5}',
      'tool toolu_b: Error: Denied by the user.',
      'tool toolu_c: seen the till',
    ]);
    expect(lines.at(-1)).toBe('assistant: Done.');
  });

  it('said again it is answered like the first time, and does nothing a second time', async () => {
    const agent = page();
    const interrupts = await interrupted(agent);
    const before = structuredClone(agent.messages);
    const resume = answers(interrupts, 'yes', 'no');
    await run(agent, { resume, runId: 'second' });
    const lines = linesOf(agent.messages);
    agent.setMessages(before);
    const again = await run(agent, { resume, runId: 'second' });

    expect(lastOf(again)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'success' } });
    expect(linesOf(agent.messages)).toEqual(lines);
    expect(effects).toEqual(['pay 5']);
  });

  it('a page may end what waits with a new message instead, when it says so', async () => {
    const agent = page();
    await interrupted(agent);
    agent.pendingInterrupts = [];
    willSay({ sse: textReply(['Something else.']) });
    agent.addMessage({ id: 'instead', role: 'user', content: 'never mind' });
    const told = await run(agent, { forwardedProps: { agentline: { when_busy: 'interrupt' } } });

    expect(lastOf(told)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'success' } });
    expect(linesOf(agent.messages).at(-1)).toBe('assistant: Something else.');
    expect(effects).toEqual([]);
  });

  it('needs the permission to decide, as everywhere', async () => {
    const root = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
    const made = await root.call<{ key: string }>('POST', '/api/auth/keys', {
      name: 'writes only',
      scopes: ['agent:read', 'agent:write'],
    });
    const agent = page();
    agent.headers = { authorization: `Bearer ${expectStatus(made, 201).body.key}` };
    const interrupts = await interrupted(agent);
    const told = await run(agent, { resume: answers(interrupts, 'yes', 'yes') });

    expect(told.failure).toMatchObject({ status: 403 });
    expect(effects).toEqual([]);
    expectStatus(await root.call('POST', '/api/formats/ag-ui/cancel', { threadId: agent.threadId }), 200);
  });

  it.each([
    ['answers only a part', (all: Interrupt[]) => answers(all, 'yes').slice(0, 1), 'invalid_request'],
    [
      'answers what nobody asked',
      () => answers([{ id: 'run_1.toolu_x', reason: 'tool_call' }], 'yes'),
      'not_found',
    ],
    [
      'would change the arguments',
      (all: Interrupt[]) =>
        all.map(({ id }) => ({
          interruptId: id,
          status: 'resolved' as const,
          payload: { approved: true, editedArgs: { eur: 1 } },
        })),
      'invalid_request',
    ],
    ['answers nothing', () => undefined, 'session_busy'],
  ])('a request that %s is told so, and nothing is decided', async (_what, resumeOf, code) => {
    const agent = page();
    const interrupts = await interrupted(agent);
    agent.pendingInterrupts = [];
    const resume = resumeOf(interrupts);
    const told = resume === undefined ? await ask(agent, 'something else') : await run(agent, { resume });

    expect(told.events).toMatchObject([{ type: 'RUN_ERROR', code }]);
    expect(effects).toEqual([]);
    const last = await run(agent, { resume: answers(interrupts, 'no', 'no') });
    expect(lastOf(last)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'success' } });
  });
});

/** Longer than any test. */
function endless(): void {
  willSay({ sse: textReply(Array.from({ length: 500 }, (_, n) => `${n} `)), paceMs: 20 });
}

describe('a run that is cancelled', () => {
  it('ends for its client as cancelled, by the ids that the client made', async () => {
    endless();
    const agent = page();
    let receipt: Promise<Answer<Receipt>> | undefined;
    const told = await ask(agent, 'count', {
      runId: 'mine',
      onEvent: (event) => {
        if (!isText(event)) return;
        const ids = { threadId: agent.threadId, runId: 'mine' };
        receipt ??= ada.call<Receipt>('POST', '/api/formats/ag-ui/cancel', ids);
      },
    });

    expect(await receipt).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect(lastOf(told)).toMatchObject({
      type: 'RUN_FINISHED',
      runId: 'mine',
      outcome: { type: 'cancelled' },
    });
    expect(linesOf(agent.messages)[1]).toMatch(/^assistant: 0 /);
  });

  it('goes on when its client only leaves', async () => {
    endless();
    const agent = page();
    const session = await ada.createSession();
    agent.threadId = session;
    await ask(agent, 'count', {
      onEvent: (event) => {
        if (isText(event)) agent.abortRun();
      },
    });

    const [started] = await ada.runsOf(session);
    expect(started?.status).toBe('running');
    expectStatus(await ada.call('POST', '/api/formats/ag-ui/cancel', { threadId: session }), 200);
  });
});

describe('a connection that is cut', () => {
  const THOUGHTS = Array.from({ length: 20 }, (_, n) => `thought ${n}, `);
  const TEXTS = Array.from({ length: 40 }, (_, n) => `word ${n}, `);

  const BREAKS = [15, 40].map((pieces) => ({ pieces, type: 'overloaded_error' }));

  function willAnswerLong(): void {
    upstream.answer(({ body }: UpstreamCall) => {
      const last = body.messages.at(-1);
      const isTold = last !== undefined && blocksOf(last).some(({ type }) => type === 'tool_result');
      if (isTold) return { sse: textReply(TEXTS), paceMs: 2 };
      return {
        sse: [
          messageStart(),
          ...longThinking(0, THOUGHTS),
          ...textBlock(1, TEXTS),
          ...toolUseBlock(2, { id: 'toolu_1', name: 'look', input: { at: 'a' } }),
          ...toolUseBlock(3, { id: 'toolu_2', name: 'look', input: { at: 'b' } }),
          ...messageEnd('tool_use'),
        ],
        paceMs: 2,
      };
    });
  }

  const WHOLE = [
    'user: look',
    `reasoning: ${THOUGHTS.join('')}`,
    `assistant: ${TEXTS.join('')} look#toolu_1{"at":"a"} look#toolu_2{"at":"b"}`,
    'tool toolu_1: seen a',
    'tool toolu_2: seen b',
    `assistant: ${TEXTS.join('')}`,
  ];

  it.each([1, 2, 3, 4, 5, 6])(
    'at random places (%d): the same request ends with the same messages',
    async (seed) => {
      willAnswerLong();
      const way = await Cuts.open(app.url, seed);
      const agent = page(way.url);
      const tries = await untilFinished(agent, way, { runId: `run-${seed}` }, 'look');
      await way.close();

      expect(tries).toBeGreaterThan(1);
      expect(toolsSorted(linesOf(agent.messages))).toEqual(WHOLE);
      expect(new Set(agent.messages.map(({ id }) => id)).size).toBe(agent.messages.length);
      expect(upstream.calls).toHaveLength(2);
    },
  );

  it.each([7, 8, 9])('while a decision is asked for and made (%d), nothing is done twice', async (seed) => {
    willCall(TEXTS, [{ id: 'toolu_p', name: 'pay', input: { eur: 9 } }], TEXTS);
    const way = await Cuts.open(app.url, seed);
    const agent = page(way.url);
    const tries = await untilFinished(agent, way, { runId: 'asks' }, 'pay');
    const resume = answers(agent.pendingInterrupts, 'yes');
    await untilFinished(agent, way, { runId: 'answers', resume });
    await way.close();

    expect(tries).toBeGreaterThan(1);
    expect(linesOf(agent.messages)).toEqual([
      'user: pay',
      `assistant: ${TEXTS.join('')} pay#toolu_p{"eur":9}`,
      'tool toolu_p: {"paid":9}',
      `assistant: ${TEXTS.join('')}`,
    ]);
    expect(effects).toEqual(['pay 9']);
  });

  it.each([10, 11, 12])('while turns of the model break (%d), only what is true is left', async (seed) => {
    let calls = 0;
    upstream.answer(() => {
      calls += 1;
      const sse = [messageStart(), ...longThinking(0, THOUGHTS), ...textBlock(1, [`${calls}: `, ...TEXTS])];
      const whole = [...sse, ...messageEnd('end_turn')];
      return { sse: whole, paceMs: 1, ...(calls < 3 ? { errorAfter: BREAKS[calls - 1] } : {}) };
    });
    const way = await Cuts.open(app.url, seed);
    const agent = page(way.url);
    const tries = await untilFinished(agent, way, { runId: 'breaks' }, 'go');
    await way.close();

    expect(tries).toBeGreaterThan(1);
    expect(linesOf(agent.messages)).toEqual([
      'user: go',
      `reasoning: ${THOUGHTS.join('')}`,
      `assistant: 3: ${TEXTS.join('')}`,
    ]);
  });

  it('a page that was loaded anew and holds nothing gets all of the conversation', async () => {
    willSay({ sse: textReply(['First.']) });
    const agent = page();
    await ask(agent, 'one');
    willSay({ sse: textReply(['Second.']) });
    await ask(agent, 'two');
    const fresh = page(app.url, { threadId: agent.threadId });
    const told = await run(fresh);

    expect(shapeOf(told)).toEqual(['RUN_STARTED', 'MESSAGES_SNAPSHOT', 'RUN_FINISHED']);
    expect(linesOf(fresh.messages)).toEqual([
      'user: one',
      'assistant: First.',
      'user: two',
      'assistant: Second.',
    ]);
    expect(upstream.calls).toHaveLength(2);
  });

  it('the same id with another message is refused, and starts nothing', async () => {
    willSay({ sse: textReply(['Hello.']) });
    const agent = page();
    await ask(agent, 'one', { runId: 'same' });
    const told = await ask(agent, 'another', { runId: 'same' });

    expect(told.failure).toMatchObject({ status: 422 });
    expect(upstream.calls).toHaveLength(1);
  });

  it('a server that goes away says so, and is not taken for the end', async () => {
    willSay({ sse: textReply(TEXTS), paceMs: 50 });
    const other = await startApp({ ...upstreamEnv(upstream.url), SHUTDOWN_GRACE_MS: '0' });
    const agent = page(other.url);
    let stopped: Promise<void> | undefined;
    const told = await ask(agent, 'hello', {
      onEvent: (event) => {
        if (isText(event)) stopped ??= other.stop();
      },
    });
    await stopped;

    expect(lastOf(told)).toMatchObject({
      type: 'RUN_ERROR',
      code: 'draining',
      metadata: { retryable: true },
    });
  });
});

it.each([
  ['without credentials', 401, {}, () => ({})],
  ['without a thread', 400, undefined, () => ({ threadId: undefined })],
  ['with a part that no model reads', 400, undefined, () => ({ messages: [said([{ type: 'audio' }])] })],
  ['with nothing said in a new thread', 404, undefined, () => ({ messages: [] })],
  ['with blanks', 400, undefined, () => ({ messages: [said('  ')] })],
  ['that wants JSON', 406, { accept: 'application/json' }, () => ({})],
])('a request %s is refused before the first byte (%d)', async (_what, status, headers, changes) => {
  const body = { threadId: 'new', runId: 'r', messages: [said('hello')], ...changes() };
  const response = await fetch(new URL('/api/formats/ag-ui', app.url), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(status === 401 ? {} : ada.authorization),
      ...headers,
    },
    body: JSON.stringify(body),
  });

  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ status, code: expect.any(String) });
  expect(upstream.calls).toHaveLength(0);
});

function said(content: unknown): object {
  return { id: 'u', role: 'user', content };
}

it('another user’s thread of the same name is another thread', async () => {
  willSay({ sse: textReply(['For one alone.']) });
  const threadId = 'a name that both use';
  await ask(page(app.url, { threadId }), 'hello', { runId: 'same' });
  const eve = await Api.as(app.url, 'eve');
  const hers = page(app.url, { threadId });
  hers.headers = eve.authorization;
  const told = await run(hers, { runId: 'same' });

  expect(told.failure).toMatchObject({ status: 404 });
  expect((await eve.call('POST', '/api/formats/ag-ui/cancel', { threadId, runId: 'same' })).status).toBe(404);
});

it('a page that reads nothing for a while gets all in the end, although it is more than a socket holds', async () => {
  const texts = Array.from({ length: 3_000 }, (_, n) => `${n} ${'x'.repeat(2_000)}`);
  willSay({ sse: textReply(texts) });
  const body = { threadId: 'slow', runId: 'slow', messages: [said('hello')] };
  const response = await fetch(new URL('/api/formats/ag-ui', app.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...ada.authorization },
    body: JSON.stringify(body),
  });
  await until('the run to end', async () => {
    const found = await ada.call<{ data: { id: string }[] }>('GET', '/api/agent/sessions?limit=1');
    const [latest] = await ada.runsOf(found.body.data[0]?.id ?? '');
    return latest?.status === 'completed';
  });
  const blocks = (await response.text()).split('\n\n').flatMap((block) => {
    const line = block.split('\n').find((each) => each.startsWith('data: '));
    return line === undefined ? [] : [JSON.parse(line.slice(6)) as { type: string; delta?: string }];
  });

  expect(blocks.map(({ delta = '' }) => delta).join('')).toBe(texts.join(''));
  expect(blocks.at(-1)?.type).toBe('RUN_FINISHED');
});

it('credentials that end, end the stream with an error', async () => {
  willSay({ sse: textReply(Array.from({ length: 500 }, (_, n) => `${n} `)), paceMs: 20 });
  const root = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
  const made = await root.call<{ id: string; key: string }>('POST', '/api/auth/keys', {
    name: 'page',
    scopes: ['agent:read', 'agent:write'],
  });
  const { id, key } = expectStatus(made, 201).body;
  const agent = page();
  agent.headers = { authorization: `Bearer ${key}` };
  let revoked: Promise<unknown> | undefined;
  const told = await ask(agent, 'count', {
    onEvent: (event) => {
      if (isText(event)) revoked ??= root.call('DELETE', `/api/auth/keys/${id}`);
    },
  });
  await revoked;
  expectStatus(await root.call('POST', '/api/formats/ag-ui/cancel', { threadId: agent.threadId }), 200);

  expect(lastOf(told)).toMatchObject({
    type: 'RUN_ERROR',
    code: 'unauthenticated',
    metadata: { retryable: false },
  });
});
