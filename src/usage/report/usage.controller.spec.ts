import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textReply } from '../../../test/support/anthropic/anthropic-sse.js';
import { Api } from '../../../test/support/api.js';
import { startApp, type RunningApp } from '../../../test/support/app.js';
import { FakeUpstream } from '../../../test/support/fake-upstream.js';
import { upstreamEnv } from '../../../test/support/test-env.js';

interface Report {
  data: Record<string, unknown>[];
  from: string;
  to: string;
}

const usageOf = (api: Api, query = '') => api.call<Report>('GET', `/api/agent/usage${query}`);

describe('GET /api/agent/usage', () => {
  let upstream: FakeUpstream;
  let app: RunningApp;
  let ada: Api;

  beforeAll(async () => {
    upstream = await FakeUpstream.start(() => ({ sse: textReply(['Hello ', 'there']) }));
    const BUDGETS = JSON.stringify({ session: { turns: 1 }, user: { usd: 5 } });
    app = await startApp({ ...upstreamEnv(upstream.url), BUDGETS });
    ada = await Api.as(app.url, 'ada');
  });
  afterAll(async () => {
    await app?.stop();
    await upstream?.stop();
  });

  it('tells what runs have used, and what is over a budget is not asked of the model', async () => {
    const session = await ada.createSession({ title: 'has one' });
    const run = await ada.settled((await ada.post(session, 'hello')).id);
    expect(run.status).toBe('completed');
    const calls = upstream.calls.length;

    const refused = await ada.settled((await ada.post(session, 'again')).id);
    expect(refused).toMatchObject({ status: 'failed', error_code: 'budget_exceeded' });
    expect(upstream.calls).toHaveLength(calls);

    const { status, body } = await usageOf(ada, '?group_by=kind');
    expect(status).toBe(200);
    const { input_tokens, output_tokens } = run.usage;
    expect(body.data).toMatchObject([
      { kind: 'turn', model_calls: 1, input_tokens, output_tokens, estimated: false },
    ]);
    expect(body.data[0]!['cost_usd']).toBeGreaterThan(0);
    expect(body.data[0]!['known_cost_usd']).toBe(body.data[0]!['cost_usd']);
  });

  it('shows others nothing, and administrators their tenant', async () => {
    expect((await usageOf(await Api.as(app.url, 'eve'))).body.data).toEqual([]);
    const claims = { roles: ['admin'] };
    const admin = await Api.as(app.url, 'root', claims);
    expect((await usageOf(admin, '?group_by=user')).body.data).toMatchObject([{ user_id: 'ada' }]);
    const other = await Api.as(app.url, 'root', { ...claims, tenant_id: 'other' });
    expect((await usageOf(other, '?group_by=user')).body.data).toEqual([]);
  });

  it('outlives the session', async () => {
    const [session] = (await ada.call<{ data: { id: string }[] }>('GET', '/api/agent/sessions')).body.data;
    expect((await ada.call('DELETE', `/api/agent/sessions/${session!.id}`)).status).toBe(204);
    expect((await usageOf(ada)).body.data).toMatchObject([{ model_calls: 1 }]);
  });

  it.each([
    ['?from=yesterday', 'from'],
    ['?from=2026-11-26&to=2026-11-25', 'from'],
    ['?group_by=tenant', 'group_by'],
    ['?group_by=day&group_by=model', 'group_by'],
    ['?user=ada', 'user'],
  ])('%s: is refused', async (query, path) => {
    const answer = await usageOf(ada, query);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'invalid_request', errors: [{ path }] });
  });

  it('is described, with its three questions', async () => {
    const document = await ada.call<{ paths: Record<string, { get: { parameters: object[] } }> }>(
      'GET',
      '/api/openapi.json',
    );
    expect(document.body.paths['/api/agent/usage']!.get.parameters).toMatchObject([
      { name: 'from', in: 'query', required: false },
      { name: 'to', in: 'query', required: false },
      { name: 'group_by', in: 'query', required: false },
    ]);
  });

  it('asks who is asking', async () => {
    expect((await fetch(`${app.url}/api/agent/usage`)).status).toBe(401);
  });
});
