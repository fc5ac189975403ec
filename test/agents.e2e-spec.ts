import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Agent } from '../src/agents/agent.decorator.js';
import { Tool } from '../src/tools/tool.decorator.js';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { dataOf } from './support/event-list.js';
import { FakeUpstream } from './support/fake-upstream.js';
import { upstreamEnv } from './support/test-env.js';

interface AgentBody {
  name: string;
  default: boolean;
  model: string | null;
  tools: string[];
  limits: Record<string, number | null>;
}

const notes: string[] = [];

@Injectable()
class NoteTool {
  @Tool({ name: 'note_write', description: 'Writes a note.', input: z.strictObject({ text: z.string() }) })
  write({ text }: { text: string }): string {
    notes.push(text);
    return 'written';
  }
}

@Agent({
  name: 'secretary',
  description: 'Writes notes.',
  model: 'claude-sonnet-5',
  system: 'You write notes.',
  tools: ['note_*'],
  limits: { maxTurns: 3 },
})
class Secretary {}

class AroundApp {}

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  const { AgentModule } = await import('../src/agent/agent.module.js');
  const brief = { name: 'plan', description: 'Plans briefly.', system: 'Three lines.', tools: ['get_time'] };
  app = await startApp(upstreamEnv(upstream.url), (application) => ({
    module: AroundApp,
    imports: [application, AgentModule.register({ agents: [brief] })],
    providers: [NoteTool, Secretary],
  }));
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

beforeEach(() => {
  upstream.forget();
  upstream.answer([{ sse: textReply(['ok']) }]);
});

/** What the model was told in its last call, without the conversation. */
function told(): { model: string; system: string; tools: string[] } {
  const { model, system, tools } = upstream.calls.at(-1)!.body as unknown as Record<string, unknown>;
  const texts = Array.isArray(system) ? system.map(({ text }: { text: string }) => text).join('') : system;
  return {
    model: String(model),
    system: String(texts),
    tools: ((tools ?? []) as { name: string }[]).map(({ name }) => name),
  };
}

async function say(session: string, content = 'hello'): Promise<void> {
  await ada.settled((await ada.post(session, content)).id);
}

async function start(body: Record<string, unknown>) {
  return ada.read({}, { body: { content: 'hello', ...body } });
}

describe('agents', () => {
  it('can be listed, with what each may do; those of the application stand beside the usual ones', async () => {
    const { body } = expectStatus(await ada.call<{ data: AgentBody[] }>('GET', '/api/agent/agents'), 200);
    const named = new Map(body.data.map((agent) => [agent.name, agent]));
    expect([...named.keys()]).toEqual(['build', 'explore', 'general', 'plan', 'secretary']);
    expect(body.data.filter((agent) => agent.default).map(({ name }) => name)).toEqual(['build']);
    expect(named.get('secretary')).toEqual({
      name: 'secretary',
      description: 'Writes notes.',
      default: false,
      model: 'claude-sonnet-5',
      tools: ['note_write'],
      limits: { max_turns: 3, max_tool_calls: null, max_tokens: null, usd: null, tokens: null },
    });
    expect(named.get('plan')).toMatchObject({ description: 'Plans briefly.', tools: ['get_time'] });
    expect(named.get('build')!.tools).toEqual(expect.arrayContaining(['task', 'note_write', 'fetch_url']));
    expect(named.get('explore')!.tools).toEqual(expect.arrayContaining(['calculate', 'get_time']));
    expect(named.get('explore')!.tools).not.toEqual(expect.arrayContaining(['fetch_url']));
  });

  it('of a session decide on model, prompt and tools; what the session says itself goes first', async () => {
    const session = await ada.createSession({ agent: 'secretary' });
    await say(session);
    expect(told()).toEqual({
      model: 'claude-sonnet-5',
      system: 'You write notes.',
      tools: ['note_write'],
    });
    const own = await ada.createSession({ agent: 'secretary', model: 'claude-haiku-5', system: 'Mine.' });
    await say(own);
    expect(told()).toEqual({ model: 'claude-haiku-5', system: 'Mine.', tools: ['note_write'] });
    expect((await ada.runsOf(own))[0]).toMatchObject({ agent: 'secretary', model: 'claude-haiku-5' });
  });

  it('may be another for one run, and for all later ones', async () => {
    const session = await ada.createSession({ agent: 'secretary' });
    await start({ session_id: session, agent: 'plan' });
    expect(told()).toMatchObject({ system: 'Three lines.', tools: ['get_time'] });
    await say(session);
    expect(told()).toMatchObject({ system: 'You write notes.' });
    const path = `/api/agent/sessions/${session}`;
    expect((await ada.call('PATCH', path, { agent: 'plan' })).body['agent']).toBe('plan');
    await say(session);
    expect(told()).toMatchObject({ system: 'Three lines.' });
    expect((await ada.call('PATCH', path, { agent: null })).body['agent']).toBeNull();
    await say(session);
    expect(told().tools).toContain('note_write');
    expect(upstream.complaints).toEqual([]);
  });

  it('named with the first message are the new session’s, over SSE and over the socket', async () => {
    const { events } = await start({ agent: 'plan' });
    const sessions = [dataOf(events[0]).session_id];
    const socket = await ada.socket();
    const reply = await socket.ask('start', { content: 'hello', agent: 'plan' });
    sessions.push((reply.data as unknown as { run: { session_id: string } }).run.session_id);
    await socket.close();
    for (const id of sessions)
      expect((await ada.call('GET', `/api/agent/sessions/${id}`)).body['agent']).toBe('plan');
  });

  it('that are not known are refused wherever they are named, with those that are', async () => {
    const known = 'Known: build, explore, general, plan, secretary.';
    const session = await ada.createSession();
    for (const answer of [
      await ada.call('POST', '/api/agent/sessions', { agent: 'nobody' }),
      await ada.call('PATCH', `/api/agent/sessions/${session}`, { agent: 'nobody' }),
      await ada.call('POST', '/api/agent/stream', { content: 'hello', agent: 'nobody' }),
      await ada.call('POST', '/api/agent/stream', { session_id: session, content: 'hello', agent: 'nobody' }),
    ]) {
      expect(answer.body).toMatchObject({
        status: 400,
        code: 'invalid_request',
        detail: `There is no agent "nobody" here. ${known}`,
      });
    }
    const socket = await ada.socket();
    expect(await socket.ask('start', { content: 'hello', agent: 'nobody' })).toMatchObject({
      event: 'rejected',
      data: { code: 'invalid_request' },
    });
    await socket.close();
    expect(await ada.runsOf(session)).toEqual([]);
  });

  it('cannot call what they were not given, whatever the model says', async () => {
    upstream.answer([
      { sse: toolReply([], [{ id: 'toolu_1', name: 'note_write', input: { text: 'no' } }]) },
      { sse: textReply(['ok']) },
    ]);
    const session = await ada.createSession({ agent: 'explore' });
    await say(session);
    expect(
      upstream.calls.map((call) => (call.body.tools as { name: string }[]).map(({ name }) => name)),
    ).toEqual([1, 2].map(() => expect.not.arrayContaining(['note_write', 'task'])));
    const { events } = await ada.read({ session_id: session });
    expect(dataOf(events.find(({ event }) => event === 'tool_result'))).toMatchObject({
      is_error: true,
      result: expect.stringMatching(/^There is no tool "note_write"\. Available: /),
    });
    expect(notes).toEqual([]);
  });
});

describe('an application with two agents of one name', () => {
  it('does not start, and says where both are', async () => {
    const { AgentModule } = await import('../src/agent/agent.module.js');
    const twin = { name: 'secretary', description: 'Another.' };
    const starting = startApp(upstreamEnv(upstream.url), (application) => ({
      module: AroundApp,
      imports: [application, AgentModule.register({ agents: [twin] })],
      providers: [Secretary],
    }));
    await expect(starting).rejects.toThrow(
      'Two agents are named "secretary": AgentModule.register, agents[0] and Secretary in AroundApp. Rename one of them.',
    );
  });
});
