import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { AppError } from '../errors/app-error.js';
import { ToolCaller, type ToolOutcome } from './tool-caller.js';
import { OutcomeUnknown } from './outcome-unknown.js';
import { ToolError } from './tool-error.js';
import { ToolRegistry } from './tool-registry.js';
import type { ToolContext, ToolOptions } from './tool.js';

type Call = (args: unknown, context: ToolContext) => unknown;

/** A caller with one tool `act` over `{ city: string }`, and what it reported as unexpected. */
function callerOf(call: Call, options: Partial<ToolOptions> = {}) {
  const registry = new ToolRegistry();
  const input = z.object({ city: z.string(), days: z.array(z.int()).optional() });
  registry.register(
    {
      options: { name: 'act', description: 'Acts.', input, ...options },
      call: async (args, context) => call(args, context),
    },
    'Spec.act',
  );
  const unexpected: unknown[] = [];
  const caller = new ToolCaller((error, tool) => unexpected.push([tool, error]));
  const tools = registry.select('all');
  return { caller, tools, unexpected };
}

function contextWith(signal: AbortSignal = new AbortController().signal): ToolContext {
  return {
    principal: { userId: 'usr_1', tenantId: 'default', email: null, roles: ['member'] },
    sessionId: 'ses_1',
    runId: 'run_1',
    toolCallId: 'toolu_1',
    idempotencyKey: 'run_1.toolu_1',
    signal,
    startAgent: noAgent,
  };
}

const noAgent = () => Promise.reject(new Error('no agent'));

const ARGS = { city: 'Bonn' };
const LIMITS = { timeoutMs: 5_000 };
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
const never = () => new Promise<never>(() => undefined);

function act(call: Call, options: Partial<ToolOptions> = {}): Promise<ToolOutcome> {
  const { caller, tools } = callerOf(call, options);
  return caller.call(tools, 'act', ARGS, contextWith(), LIMITS);
}

async function timed<T>(work: Promise<T>): Promise<{ value: T; ms: number }> {
  const start = performance.now();
  const value = await work;
  return { value, ms: performance.now() - start };
}

describe('a check before the call', () => {
  it.each<[string, string, unknown, unknown]>([
    ['arguments that fit', 'act', { city: 'Bonn', more: 1 }, { args: { city: 'Bonn' } }],
    ['a tool that is not there', 'fly', ARGS, /There is no tool "fly"/],
    ['arguments that are no JSON', 'act', { INVALID_JSON: '{"city":' }, /not valid JSON/],
    ['arguments that do not fit', 'act', { city: 5 }, /do not fit:\n- city: /],
  ])('calls nothing, and says what `call` would: %s', async (_name, tool, args, said) => {
    let calls = 0;
    const { caller, tools } = callerOf(() => (calls += 1));

    const checked = await caller.check(tools, tool, args);

    if (said instanceof RegExp) {
      const outcome = { result: expect.stringMatching(said), isError: true };
      expect(checked).toEqual({ outcome });
      expect(await caller.call(tools, tool, args, contextWith(), LIMITS)).toEqual(outcome);
    } else expect(checked).toEqual(said);
    expect(calls).toBe(0);
  });

  it('that throws is an outcome, and is told to nobody yet', async () => {
    const input = z.object({}).refine(() => {
      throw new Error('secret');
    });
    const { caller, tools, unexpected } = callerOf(() => 'called', { input });

    expect(await caller.check(tools, 'act', {})).toEqual({
      outcome: { result: 'The tool failed.', isError: true },
    });
    expect(unexpected).toEqual([]);
  });
});

describe('ToolCaller', () => {
  it('calls the tool with parsed arguments and the context', async () => {
    const seen: unknown[] = [];
    const { caller, tools } = callerOf((args, context) => seen.push(args, context), {
      input: z.object({ city: z.string().trim() }),
    });
    await caller.call(tools, 'act', { city: ' Bonn ', more: 1 }, contextWith(), LIMITS);
    expect(seen).toEqual([
      { city: 'Bonn' },
      { ...contextWith(), signal: expect.any(AbortSignal), startAgent: expect.any(Function) },
    ]);
  });

  it('hands on what the tool returns', async () => {
    expect(await act(() => ({ degrees: 7 }))).toEqual({ result: { degrees: 7 }, isError: false });
    expect(await act(() => undefined)).toEqual({ result: null, isError: false });
  });

  it('answers an unknown tool with the names of those that exist', async () => {
    const { caller, tools } = callerOf(() => 1);
    expect(await caller.call(tools, 'fly', ARGS, contextWith(), LIMITS)).toEqual({
      result: 'There is no tool "fly". Available: act.',
      isError: true,
    });
  });

  it('answers arguments that are no JSON with their raw text, and does not call the tool', async () => {
    const { caller, tools, unexpected } = callerOf(() => expect('the tool').toBe('not called'));
    expect(await caller.call(tools, 'act', { INVALID_JSON: '{"city": "Bo' }, contextWith(), LIMITS)).toEqual({
      result: 'The arguments are not valid JSON. Received: {"city": "Bo',
      isError: true,
    });
    expect(unexpected).toEqual([]);
  });

  it('answers arguments that do not fit with the path of each problem', async () => {
    const { caller, tools } = callerOf(() => 1);
    expect(await caller.call(tools, 'act', { days: [1, 'x'] }, contextWith(), LIMITS)).toEqual({
      result:
        'The arguments do not fit:\n' +
        '- city: Invalid input: expected string, received undefined\n' +
        '- days.1: Invalid input: expected number, received string',
      isError: true,
    });
    expect(await caller.call(tools, 'act', 'Bonn', contextWith(), LIMITS)).toEqual({
      result: 'The arguments do not fit:\n- (arguments): Invalid input: expected object, received string',
      isError: true,
    });
  });

  it('names twenty problems at most', async () => {
    const { caller, tools } = callerOf(() => 1);
    const { result } = await caller.call(
      tools,
      'act',
      { days: Array.from({ length: 1000 }, () => 'x') },
      contextWith(),
      LIMITS,
    );
    expect(String(result).split('\n')).toHaveLength(22);
    expect(result).toMatch(/\n- and 981 more$/);
  });

  it.each([
    ['a ToolError', new ToolError('There is no such city.'), 'There is no such city.'],
    ['an AppError', new AppError('not_found', 'There is no such invoice.'), 'There is no such invoice.'],
  ])('tells the model the message of %s', async (_what, error, message) => {
    const { caller, tools, unexpected } = callerOf(() => Promise.reject(error));
    expect(await caller.call(tools, 'act', ARGS, contextWith(), LIMITS)).toEqual({
      result: message,
      isError: true,
    });
    expect(unexpected).toEqual([]);
  });

  it.each([
    ['an Error', new Error('password=hunter2')],
    ['undefined', undefined],
    ['a text', 'password=hunter2'],
    ['an object', { secret: 1 }],
  ])('keeps %s for the log and tells the model only that the tool failed', async (_what, thrown) => {
    const failing: Call[] = [
      () => {
        throw thrown;
      },
      () => Promise.reject(thrown),
    ];
    for (const call of failing) {
      const { caller, tools, unexpected } = callerOf(call);
      const outcome = await caller.call(tools, 'act', ARGS, contextWith(), LIMITS);
      expect(outcome).toEqual({ result: 'The tool failed.', isError: true });
      expect(unexpected).toEqual([['act', thrown]]);
    }
  });

  it('takes a result that cannot be read for a failure of the tool', async () => {
    const hostile = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    expect(await act(() => hostile)).toEqual({ result: 'The tool failed.', isError: true });
  });

  it('answers in time when the tool never settles, and aborts its signal', async () => {
    let signal: AbortSignal | undefined;
    const call: Call = (_args, context) => {
      signal = context.signal;
      return never();
    };
    const { value, ms } = await timed(act(call, { timeoutMs: 30 }));
    expect(value).toEqual({
      result: 'The tool did not end within 30 ms. Whether it took effect is not known.',
      isError: true,
      unknown: true,
    });
    expect(ms).toBeLessThan(2_000);
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('counts no outcome as unknown where twice does no harm', async () => {
    const outcome = await act(never, { timeoutMs: 20, idempotent: true });
    expect([outcome.isError, outcome.unknown]).toEqual([true, undefined]);
  });

  it('says so when the tool itself does not know how its work ended', async () => {
    const { caller, tools, unexpected } = callerOf(() => {
      throw new OutcomeUnknown('the connection was lost.');
    });
    expect(await caller.call(tools, 'act', ARGS, contextWith(), { timeoutMs: 1_000 })).toEqual({
      result: 'Outcome unknown: the connection was lost.',
      isError: true,
      unknown: true,
    });
    expect(unexpected).toEqual([]);
  });

  it('gives a tool without a time of its own the time of the run', async () => {
    const { caller, tools } = callerOf(never);
    const { result } = await caller.call(tools, 'act', ARGS, contextWith(), { timeoutMs: 20 });
    expect(result).toBe('The tool did not end within 20 ms. Whether it took effect is not known.');
  });

  it('gives the same answer when the tool obeys the signal by throwing', async () => {
    const { caller, tools, unexpected } = callerOf(
      (_args, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new Error('aborted'))),
        ),
    );
    const { result } = await caller.call(tools, 'act', ARGS, contextWith(), { timeoutMs: 20 });
    expect(result).toBe('The tool did not end within 20 ms. Whether it took effect is not known.');
    expect(unexpected).toEqual([]);
  });

  it('limits the time of the check of the arguments as well, and begins nothing after it', async () => {
    const check = Promise.withResolvers<boolean>();
    const begun: unknown[] = [];
    const input = z.object({ city: z.string().refine(() => check.promise) });
    const { isError } = await act((args) => begun.push(args), { input, timeoutMs: 20 });
    check.resolve(true);
    await new Promise(setImmediate);
    expect(isError).toBe(true);
    expect(begun).toEqual([]);
  });

  it('ends at once when the run is aborted, whatever the tool does', async () => {
    const run = new AbortController();
    let signal: AbortSignal | undefined;
    const { caller, tools } = callerOf((_args, context) => {
      signal = context.signal;
      queueMicrotask(() => run.abort('cancelled by user'));
      return never();
    });
    const { value, ms } = await timed(caller.call(tools, 'act', ARGS, contextWith(run.signal), LIMITS));
    expect(value).toEqual({
      result: 'The call was cancelled before it ended. Whether it took effect is not known.',
      isError: true,
    });
    expect(ms).toBeLessThan(2_000);
    expect(signal?.reason).toBe('cancelled by user');
  });

  it('does not begin a call of a run that is aborted already', async () => {
    const { caller, tools, unexpected } = callerOf(() => expect('the tool').toBe('not called'));
    expect(await caller.call(tools, 'act', ARGS, contextWith(AbortSignal.abort()), LIMITS)).toEqual({
      result: 'The call was cancelled before it began.',
      isError: true,
    });
    expect(unexpected).toEqual([]);
  });

  it('leaves no timer, and no listener on the signal of the run', async () => {
    const run = new AbortController();
    const { caller, tools } = callerOf(() => 1);
    const before = timers();
    await caller.call(tools, 'act', ARGS, contextWith(run.signal), LIMITS);
    expect(timers()).toBe(before);
    expect(getEventListeners(run.signal, 'abort')).toHaveLength(0);
  });

  it('does not crash the process when a tool fails after its time', async () => {
    const late = Promise.withResolvers<never>();
    const { caller, tools, unexpected } = callerOf(() => late.promise);
    await caller.call(tools, 'act', ARGS, contextWith(), { timeoutMs: 10 });
    late.reject(new Error('too late'));
    await new Promise(setImmediate);
    expect(unexpected).toEqual([]);
  });

  it('cuts a long result at 100 KiB', async () => {
    const { result } = await act(() => 'x'.repeat(200_000));
    expect(Buffer.byteLength(String(result))).toBeLessThanOrEqual(102_400);
    expect(result).toMatch(/^x+\n\[… \d+ characters left out …\]\nx+$/);
  });

  it('cuts a long error text at 100 KiB', async () => {
    const { result } = await act(() => Promise.reject(new ToolError('x'.repeat(200_000))));
    expect(Buffer.byteLength(String(result))).toBeLessThanOrEqual(102_400);
  });
});
