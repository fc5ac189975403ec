import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Tool } from '../../src/tools/tool.decorator.js';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api, type RunBody, signIn, tokenFor } from '../support/api.js';
import { type RunningApp, startApp } from '../support/app.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { Described, Schemas } from '../support/openapi/described.js';
import { readAsyncApi } from '../support/openapi/read-document.js';
import { lintProblems } from '../support/openapi/lint.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { until } from '../support/until.js';

@Injectable()
class PaymentTools {
  @Tool({ name: 'pay', description: 'Pays.', input: z.strictObject({}), approval: 'always' })
  pay(): string {
    return 'paid';
  }
}

class AroundApp {}

let upstream: FakeUpstream;
let app: RunningApp;
let described: Described;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  app = await startApp(upstreamEnv(upstream.url), (application) => ({
    module: AroundApp,
    imports: [application],
    providers: [PaymentTools],
  }));
  described = new Described();
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

/** "pay" pays, "wait" never ends by itself. */
function answer(call: UpstreamCall) {
  const last = blocksOf(call.body.messages.at(-1)!)[0]!;
  if (last['text'] === 'pay')
    return { sse: toolReply(['One moment. '], [{ id: `toolu_${call.number}`, name: 'pay', input: {} }]) };
  return { sse: textReply(['short']), ...(last['text'] === 'wait' && { stallAfterPieces: 3 }) };
}

describe('the documents', () => {
  it.each(['openapi.json', 'asyncapi.json'])('%s has no faults that a linter finds', async (name) => {
    expect(await lintProblems(name)).toEqual([]);
  });
});

describe('what the server answers', () => {
  const faults: string[] = [];
  let admin: Caller;
  let cookie: Caller;
  let nobody: Caller;
  let ada: Api;

  /** Calls routes, and keeps what of their answers is not as described. */
  class Caller {
    constructor(readonly headers: Record<string, string>) {}

    async call<T = Record<string, unknown>>(
      route: string,
      body?: unknown,
      more: Record<string, string> = {},
    ): Promise<T> {
      const [method = '', path = ''] = route.split(' ');
      const json = body === undefined ? {} : { 'content-type': 'application/json' };
      const response = await fetch(app.url + path, {
        method,
        redirect: 'manual',
        headers: { ...json, ...this.headers, ...more },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const contentType = response.headers.get('content-type');
      faults.push(...described.check({ method, path, status: response.status, contentType, text }));
      return (contentType?.includes('json') && !contentType.includes('ndjson') ? JSON.parse(text) : {}) as T;
    }
  }

  beforeAll(async () => {
    const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password } = TEST_ENV;
    admin = new Caller({ authorization: `Bearer ${await tokenFor(app.url, email, password)}` });
    cookie = new Caller({ cookie: await signIn(app.url), origin: app.url });
    nobody = new Caller({ origin: app.url });
    ada = await Api.as(app.url, 'ada');
  });

  it('is what is described: of everything that a conversation is made of', async () => {
    const member = new Caller(ada.authorization);
    const { id: session } = await member.call<{ id: string }>('POST /api/agent/sessions', { title: 'One' });
    const at = `/api/agent/sessions/${session}`;
    const { run } = await member.call<{ run: RunBody }>(`POST ${at}/messages`, { content: 'pay' });
    await until('the approval', async () => (await ada.run(run.id)).status === 'waiting');
    const decision = `POST /api/agent/runs/${run.id}/tool_calls/toolu_1/decision`;
    await member.call(decision, { decision: 'approve' });
    await member.call(decision, { decision: 'deny' });
    await ada.settled(run.id);
    for (const path of [at, '/api/agent/sessions?limit=1', `${at}/messages`, `${at}/runs`, `${at}/shares`])
      await member.call(`GET ${path}`);
    for (const path of ['', '/sub_agents', '/diff'])
      await member.call(`GET /api/agent/runs/${run.id}${path}`);
    await member.call(`PATCH ${at}`, { title: 'Two', metadata: { any: [1, null] } });
    await member.call(`PUT ${at}/shares`, { with: 'tenant' });
    await member.call(`POST ${at}/fork`);
    await member.call(`POST /api/agent/runs/${run.id}/cancel`);
    await member.call(`GET /api/agent/stream?session_id=${session}`);
    await member.call(`GET /api/agent/stream?session_id=${session}`, undefined, {
      'last-event-id': (await ada.run(run.id)).last_event_id!,
    });
    await member.call('POST /api/agent/stream', { content: 'hello' });
    await member.call('GET /api/agent/tools');
    await member.call('GET /api/agent/agents');
    await member.call('GET /api/agent/usage?group_by=day,model,user,kind');
    await member.call('POST /api/auth/tickets', { session_id: session });
    await member.call(`DELETE ${at}`);
    expect(faults.splice(0)).toEqual([]);
  });

  it('is what is described: each event of a stream, in its frame and in its data', async () => {
    const schemas = new Schemas(described.document);
    const session = await ada.createSession();
    const { id: run } = await ada.post(session, 'pay');
    const stream = await ada.open({ session_id: session }, { lastEventId: 'nonsense' });
    const call = await stream.nextWhere(({ event }) => event === 'approval');
    const { id } = JSON.parse(call!.data) as { id: string };
    await ada.call('POST', `/api/agent/runs/${run}/tool_calls/${id}/decision`, { decision: 'approve' });
    await stream.ended;
    const wrong = stream.blocks.flatMap((block) => {
      const words = block.event.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
      return [
        ...schemas.faults(['components', 'schemas', 'StreamEvent'], JSON.parse(JSON.stringify(block))),
        ...schemas.faults(['components', 'schemas', `${words.join('')}EventData`], JSON.parse(block.data)),
      ];
    });
    expect(wrong).toEqual([]);
    expect(new Set(stream.blocks.map(({ event }) => event))).toEqual(
      new Set(['reset', 'run', 'token', 'tool_call', 'approval', 'tool_result', 'done']),
    );
  });

  it('is what is described: of who may come in', async () => {
    const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password } = TEST_ENV;
    await nobody.call('POST /api/auth/login', { email, password });
    await nobody.call('POST /api/auth/token', { email, password });
    await nobody.call('GET /api/auth/methods');
    await nobody.call('GET /api/auth/oidc/login');
    await cookie.call('GET /api/auth/me');
    await cookie.call('GET /api/auth/logins');
    const { id: key } = await cookie.call<{ id: string }>('POST /api/auth/keys', {
      name: 'mine',
      expires_in_days: 1,
    });
    await cookie.call('GET /api/auth/keys');
    await admin.call('GET /api/admin/keys');
    await cookie.call(`DELETE /api/auth/keys/${key}`);
    const user = { email: 'bob@example.com', password: 'a long enough pass phrase' };
    const { id } = await admin.call<{ id: string }>('POST /api/admin/users', user);
    await admin.call('POST /api/admin/users', user);
    await admin.call('GET /api/admin/users');
    await admin.call(`GET /api/admin/users/${id}`);
    await admin.call(`PATCH /api/admin/users/${id}`, { roles: ['viewer'] });
    await admin.call(`DELETE /api/admin/users/${id}/sessions`);
    const program = await admin.call<{ id: string }>('POST /api/admin/service_accounts', { name: 'robot' });
    const account = `/api/admin/service_accounts/${program.id}`;
    const made = await admin.call<{ id: string }>(`POST ${account}/keys`, { name: 'k', expires_in_days: 1 });
    await admin.call('GET /api/admin/service_accounts');
    await admin.call(`DELETE /api/admin/keys/${made.id}`);
    await admin.call(`DELETE ${account}`);
    await admin.call('GET /api/admin/audit');
    await admin.call('GET /api/admin/audit/export');
    await admin.call('GET /api/admin/mcp/tools');
    await cookie.call('POST /api/auth/logout');
    expect(faults.splice(0)).toEqual([]);
  });

  it('is what is described: around it', async () => {
    for (const path of ['/health/live', '/health/ready', '/api/openapi.json', '/api/asyncapi.json'])
      await nobody.call(`GET ${path}`);
    await admin.call('GET /metrics');
    await nobody.call('GET /metrics');
    expect(faults.splice(0)).toEqual([]);
  });

  it('is what is described: where it refuses', async () => {
    const member = new Caller(ada.authorization);
    const session = await ada.createSession();
    const messages = `POST /api/agent/sessions/${session}/messages`;
    await nobody.call('GET /api/agent/sessions');
    await nobody.call('POST /api/auth/login', { email: 'x@example.com', password: 'wrong' });
    await member.call('GET /api/admin/users');
    await member.call('POST /api/agent/sessions', { unknown: true });
    await member.call('GET /api/agent/sessions?limit=0');
    await member.call('GET /api/agent/runs/run_none');
    await member.call(`GET /api/agent/stream?session_id=${session}`, undefined, { accept: 'text/html' });
    await member.call('GET /api/agent/stream');
    await member.call(messages, '{"content":', { 'content-type': 'application/json' });
    await member.call(messages, 'content=hello', { 'content-type': 'application/x-www-form-urlencoded' });
    await member.call(messages, { content: 'a' }, { 'idempotency-key': 'one' });
    await member.call(messages, { content: 'b' }, { 'idempotency-key': 'one' });
    const { run } = await member.call<{ run: RunBody }>(messages, { content: 'wait' });
    await member.call(messages, { content: 'c', when_busy: 'reject' });
    await member.call(`POST /api/agent/runs/${run.id}/cancel`);
    await member.call('POST /api/agent/sessions', { title: 'x', system: 'y'.repeat(11_000_000) });
    expect(faults.splice(0)).toEqual([]);
    expect([...described.seen].filter((name) => / [45]\d\d$/.test(name)).toSorted()).toEqual([
      'Agent_stream 400',
      'Agent_stream 406',
      'Auth_login 401',
      'Metrics_read 401',
      'Oidc_login 404',
      'Runs_decide 409',
      'Runs_find 404',
      'Runs_postMessage 400',
      'Runs_postMessage 409',
      'Runs_postMessage 415',
      'Runs_postMessage 422',
      'Sessions_create 400',
      'Sessions_create 413',
      'Sessions_list 400',
      'Sessions_list 401',
      'Users_create 409',
      'Users_list 403',
    ]);
  });

  it('was looked at for all routes, but those of which other tests need more', () => {
    const all = Object.entries(described.document.paths)
      .filter(([path]) => !path.startsWith('/api/formats/'))
      .flatMap(([, item]) => Object.values(item));
    const isSeen = ({ operationId }: { operationId: string }) =>
      [...described.seen].some((name) => name.startsWith(`${operationId} 2`));
    expect(all.filter((operation) => !isSeen(operation)).map(({ operationId }) => operationId)).toEqual([
      'Mcp_accept',
      'RunChanges_revert',
      'Compactions_compact',
      'Logins_end',
      'Oidc_callback',
      'Oidc_login',
      'Auth_password',
    ]);
  });
});

describe('what a socket says', () => {
  const document = readAsyncApi();
  const schemas = new Schemas(document);
  const faultsAs = (name: string, frame: unknown) =>
    schemas.faults(['components', 'messages', name, 'payload'], frame);

  it('is described, all of it: every request with its answers, and every event', () => {
    expect(Object.keys(document.channels.socket.messages)).toEqual([
      ...['Start', 'Subscribe', 'Unsubscribe', 'Cancel', 'Decide', 'Ping'].flatMap((name) => [
        name,
        `${name}Ack`,
      ]),
      'Rejected',
      ...['Run', 'Token', 'Thinking', 'ToolCall', 'Approval', 'ToolResult', 'Reset', 'Error', 'Done'].map(
        (name) => `${name}Event`,
      ),
    ]);
  });

  it('is what is described', async () => {
    const socket = await (await Api.as(app.url, 'grace')).socket();
    const faults: string[] = [];
    const ask = async (event: string, data: unknown, as: string) => {
      const name = event.charAt(0).toUpperCase() + event.slice(1);
      faults.push(...faultsAs(name, { event, data, ref: 'x' }));
      const frame = await socket.ask(event, data);
      faults.push(...faultsAs(as, frame));
      return frame;
    };
    const { data } = await ask('start', { content: 'pay' }, 'StartAck');
    const { id: run_id, session_id } = data['run'] as RunBody;
    const { data: call } = await socket.nextWhere(({ event }) => event === 'approval');
    await ask('decide', { run_id, tool_call_id: call['id'], decision: 'approve' }, 'DecideAck');
    await socket.nextWhere(({ event }) => event === 'done');
    await ask('subscribe', { session_id, last_event_id: 'nonsense' }, 'SubscribeAck');
    await socket.nextWhere(({ event, id }) => event === 'reset' && id === undefined);
    await ask('unsubscribe', { session_id }, 'UnsubscribeAck');
    await ask('cancel', { run_id }, 'CancelAck');
    await ask('cancel', { run_id: 'run_none' }, 'Rejected');
    socket.sendRaw('{"event":"start","data":{"content":7}}');
    await socket.nextWhere(({ event, data: said }) => event === 'rejected' && 'errors' in said);
    await ask('ping', {}, 'PingAck');
    const events = socket.frames.filter(({ event }) => event !== 'ack');
    for (const frame of events) {
      const words = frame.event.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
      faults.push(...faultsAs(frame.event === 'rejected' ? 'Rejected' : `${words.join('')}Event`, frame));
    }
    await socket.close();
    expect(faults).toEqual([]);
    expect(new Set(events.map(({ event }) => event))).toEqual(
      new Set(['run', 'token', 'tool_call', 'approval', 'tool_result', 'done', 'reset', 'rejected']),
    );
  });

  it('would be found out if it were not', () => {
    expect(faultsAs('TokenEvent', { event: 'token', id: 'run_x.1.1', data: { text: 7 } })).toEqual([
      '/data/text must be string {"type":"string"}',
    ]);
  });
});
