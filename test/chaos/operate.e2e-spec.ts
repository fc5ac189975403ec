import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { Api } from '../support/api.js';
import { tell } from '../support/cluster/figures.js';
import { describeWith, Stores } from '../support/cluster/stores.js';
import { textOf } from '../support/event-list.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';
import { blocksOfPage } from '../documents/pages/page-blocks.js';

/** Blocks of docs/operate.md that need a PostgreSQL. */
const BLOCKS = blocksOfPage('operate').filter(({ language }) => language === 'sh');

describeWith(['sql'], 'backup and restore as docs/operate.md says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'agentline-operate-'));
  const servers: ServerProcess[] = [];
  let stores: Stores;
  let upstream: FakeUpstream;

  beforeAll(async () => {
    stores = await Stores.start(['sql']);
    upstream = await FakeUpstream.start(() => ({ sse: textReply(['one ', 'two ', 'three']), paceMs: 20 }));
  });

  afterAll(async () => {
    for (const server of servers) await server.stop();
    await upstream?.stop();
    await stores?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const addressOf = (database: string) => stores.postgres.url.replace(/postgres$/, database);

  async function serverOn(url: string): Promise<ServerProcess> {
    const server = await ServerProcess.start({ env: { ...upstreamEnv(upstream.url), DATABASE_URL: url } });
    servers.push(server);
    return server;
  }

  it('has every run of the moment of the dump, with its events and their ids', async () => {
    const [live, restored] = [await stores.newDatabase(), await stores.newDatabase()].map(addressOf);
    const ada = await Api.as((await serverOn(live!)).url, 'ada');
    const session = await ada.createSession();
    const run = await ada.post(session, 'count');
    const told = await ada.read({ session_id: session });

    const began = performance.now();
    const env = { ...process.env, DATABASE_URL: live, RESTORED_URL: restored };
    for (const { text } of BLOCKS)
      await promisify(execFile)('bash', ['-euc', text], { cwd: folder, env, timeout: 60_000 });
    tell(`docs/operate.md: dumped and restored after ${Math.round(performance.now() - began)} ms`);

    const after = new Api((await serverOn(restored!)).url, ada.token);
    expect(await after.settled(run.id)).toMatchObject({ status: 'completed' });
    const read = await after.read({ session_id: session });
    expect(textOf(read.events)).toBe('one two three');
    expect(read.events).toEqual(told.events);
    await after.post(session, 'again');
    expect((await after.read({ session_id: session })).events.at(-1)?.event).toBe('done');
    expect(BLOCKS).toHaveLength(1);
  });
});
