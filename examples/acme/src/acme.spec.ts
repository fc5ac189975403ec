import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { createApp } from 'agentline/app';
import { AgentlineClient } from 'agentline/client';

const folder = mkdtempSync(join(tmpdir(), 'acme-'));
const ADA = { email: 'ada@acme.example', password: 'correct horse battery staple' };

let app: Awaited<ReturnType<typeof createApp>>;
let url: string;
let ada: AgentlineClient;

beforeAll(async () => {
  Object.assign(process.env, {
    DATA_DIR: join(folder, 'data'),
    ACME_LOG_DIR: join(folder, 'log'),
    ADMIN_EMAIL: ADA.email,
    ADMIN_PASSWORD: ADA.password,
    OFFLINE_MODEL_DELAY_MS: '0',
    LOG_LEVEL: 'silent',
  });
  const { createApp } = await import('agentline/app');
  const { AcmeApplication } = await import('./acme.application.js');
  app = await createApp(AcmeApplication);
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
  ada = new AgentlineClient({ url });
  await ada.signIn(ADA.email, ADA.password);
});

afterAll(async () => {
  await app?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the package', () => {
  it('has everything that it names', async () => {
    const { exports } = createRequire(import.meta.url)('agentline/package.json') as { exports: object };
    const names = Object.keys(exports).filter((name) => !name.endsWith('.json'));
    expect(names).toHaveLength(10);
    for (const name of names) {
      const offered = (await import(`agentline${name.slice(1)}`)) as object;
      expect([name, Object.keys(offered).length > 0]).toEqual([name, true]);
    }
  });
});

describe('the application of Acme', () => {
  it('calls its tool in a run of its agent, and streams it', async () => {
    const run = await ada.start({ content: 'Use get_invoice with number 7.', agent: 'bookkeeper' });
    const types: string[] = [];
    const stream = ada.follow(run);
    for await (const { type } of stream) types.push(type);

    expect(types).toEqual(expect.arrayContaining(['run', 'tool_call', 'tool_result', 'token', 'done']));
    expect(stream.view).toMatchObject({
      status: 'completed',
      tools: [{ name: 'get_invoice', state: 'answered', result: { number: 7, cents: 12_900, paid: false } }],
    });
    expect(await ada.run(run.run_id)).toMatchObject({ agent: 'bookkeeper', status: 'completed' });
  });

  it('tells the model what the tool refuses', async () => {
    const view = await ada.follow(await ada.start({ content: 'Use get_invoice with number 8.' })).settled();
    expect(view.tools).toMatchObject([{ state: 'failed', result: 'ada@acme.example has no invoice 8.' }]);
  });

  it('keeps its log in its own files', () => {
    expect(readdirSync(join(folder, 'log'))).toHaveLength(2);
  });

  it('has a route behind the sign-in, with a guard of its own', async () => {
    const path = `${url}/api/acme/invoices/7`;
    const tokenOf = async (email: string, password: string) => {
      const headers = { 'Content-Type': 'application/json' };
      const body = JSON.stringify({ email, password });
      const answer = await fetch(`${url}/api/auth/token`, { method: 'POST', headers, body });
      return ((await answer.json()) as { access_token: string }).access_token;
    };
    const authorization = `Bearer ${await tokenOf(ADA.email, ADA.password)}`;
    const guest = { email: 'eve@example.com', password: 'another horse battery staple' };
    const made = await fetch(`${url}/api/admin/users`, {
      method: 'POST',
      headers: { authorization, 'Content-Type': 'application/json' },
      body: JSON.stringify(guest),
    });
    expect(made.status).toBe(201);

    const shown = await fetch(path, { headers: { authorization } });
    expect(await shown.json()).toEqual({ number: 7, cents: 12_900, paid: false });
    expect((await fetch(path)).status).toBe(401);
    const eve = `Bearer ${await tokenOf(guest.email, guest.password)}`;
    const refused = await fetch(path, { headers: { authorization: eve } });
    expect([refused.status, await refused.json()]).toMatchObject([
      403,
      { code: 'forbidden', detail: 'Invoices are shown to people of Acme only.' },
    ]);
  });
});
