import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import type { ToolContext } from '../src/tools/tool.js';
import { Tool } from '../src/tools/tool.decorator.js';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus, type RunBody } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { dataOf, faultsOf, textOf, toolFaultsOf, type ViewedEvent } from './support/event-list.js';
import { FakeUpstream } from './support/fake-upstream.js';
import { upstreamEnv } from './support/test-env.js';
import { until } from './support/until.js';

/** Ids of the calls that are under way, and of those that were told to stop. */
const waiting = new Set<string>();
const stopped: string[] = [];

@Injectable()
class WaitTool {
  @Tool({ name: 'wait', description: 'Waits until it is told to stop.', input: z.strictObject({}) })
  wait(_input: object, { signal, toolCallId }: ToolContext): Promise<never> {
    waiting.add(toolCallId);
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        stopped.push(toolCallId);
        reject(signal.reason as Error);
      });
    });
  }
}

class AroundApp {}

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  app = await startApp(upstreamEnv(upstream.url), (application) => ({
    module: AroundApp,
    imports: [application],
    providers: [WaitTool],
  }));
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

/** A run whose two calls of `wait` are under way. */
async function waitingRun(session: string, ids: string[]): Promise<RunBody> {
  upstream.answer([
    {
      sse: toolReply(
        ['Patience. '],
        ids.map((id) => ({ id, name: 'wait', input: {} })),
      ),
    },
    { sse: textReply(['ok']) },
  ]);
  const run = await ada.post(session, 'please');
  await until('a tool to run', () => waiting.has(ids[0]!));
  return run;
}

async function listOf(session: string, runId: string): Promise<ViewedEvent[]> {
  return (await ada.read({ session_id: session, run_id: runId })).events;
}

describe('a cancel while tools run', () => {
  it('lets them see the signal, answers every call, and leaves a history that the model takes', async () => {
    const session = await ada.createSession();
    const run = await waitingRun(session, ['toolu_1', 'toolu_2']);
    const { body: receipt } = expectStatus(await ada.cancel(run.id), 200);
    const list = await listOf(session, run.id);

    expect(stopped).toContain('toolu_1');
    expect(receipt.status).toBe('cancelled');
    expect(receipt.tool_calls.map(({ id, name }) => [id, name])).toEqual([
      ['toolu_1', 'wait'],
      ['toolu_2', 'wait'],
    ]);
    expect(faultsOf(list)).toEqual([]);
    expect(toolFaultsOf(list)).toEqual([]);
    expect(textOf(list)).toBe('Patience. ');
    const results = list.filter(({ event }) => event === 'tool_result').map(dataOf);
    expect(results.every((result) => result.is_error)).toBe(true);
    expect((await ada.settled((await ada.post(session, 'and now?')).id)).status).toBe('completed');
    expect(upstream.complaints).toEqual([]);
  });

  it('is what a message that interrupts does, and the new run begins after it', async () => {
    const session = await ada.createSession();
    const run = await waitingRun(session, ['toolu_3']);
    const next = await ada.post(session, 'rather this', { when_busy: 'interrupt' });
    expect((await ada.settled(next.id)).status).toBe('completed');
    expect((await ada.run(run.id)).status).toBe('cancelled');
    expect(stopped).toContain('toolu_3');
    expect(upstream.complaints).toEqual([]);
  });
});
