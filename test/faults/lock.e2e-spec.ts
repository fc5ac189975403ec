import { afterEach, describe, expect, it } from '@jest/globals';
import { ServerProcess } from '../support/server-process.js';
import { within } from '../support/until.js';

const servers: ServerProcess[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function start(options: Parameters<typeof ServerProcess.start>[0]): Promise<ServerProcess> {
  const server = await ServerProcess.start(options);
  servers.push(server);
  return server;
}

/** Starts a server that must refuse; what it printed to standard error, as lines. */
async function refusal(options: Parameters<typeof ServerProcess.start>[0]): Promise<string[]> {
  const server = await start({ ...options, ready: false });
  const { code } = await within(10_000, 'the server to refuse', server.exited);
  expect(code).toBeGreaterThan(0);
  expect(server.stdout).not.toMatch(/^\s+at /m);
  return server.stderr.split('\n').filter((line) => line.trim() !== '');
}

describe('a second server on the same folder', () => {
  it('refuses soon in one line, and the first goes on', async () => {
    const first = await start({});
    const from = performance.now();
    const lines = await refusal({ dataDir: first.dataDir });
    const ms = performance.now() - from;
    process.stdout.write(`lock: refused after ${Math.round(ms)} ms\n`);
    // 2,000 is what is promised; a machine that does other things too may take longer.
    expect(ms).toBeLessThan(10_000);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(first.dataDir);
    expect(await first.isReady()).toBe(true);
  });

  it('may start once the first is gone, also when that was killed', async () => {
    const first = await start({});
    await first.crash();
    const second = await start({ dataDir: first.dataDir });
    expect(await second.isReady()).toBe(true);
    await second.stop();
  });
});

describe('a bad value of a variable', () => {
  it.each([
    ['PORT', 'abc'],
    ['PORT', '70000'],
    ['PORT', '-1'],
    ['HEARTBEAT_MS', 'soon'],
    ['SHUTDOWN_GRACE_MS', '1.5'],
    ['LEASE_MS', '0'],
    ['RUN_TIMEOUT_MS', '10m'],
    ['MAX_TURNS', '0'],
    ['MODEL_IDLE_MS', '-5'],
    ['TOOL_TIMEOUT_MS', 'never'],
    ['ALLOWED_ORIGINS', 'example.com/path'],
    ['ANTHROPIC_BASE_URL', 'not a url'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['ADMIN_EMAIL', 'nobody'],
  ])('%s=%s: refuses in one line that names it and what it takes', async (name, value) => {
    const lines = await refusal({ env: { [name]: value } });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`\\b${name}\\b.* takes .`));
    if (name === 'DATABASE_URL') expect(lines[0]).not.toContain(value);
    else expect(lines[0]).toContain(value);
  });
});

describe('NODE_ENV=production', () => {
  it.each(['JWT_SECRET', 'SESSION_SECRET'])('without %s: refuses in one line that names it', async (name) => {
    const lines = await refusal({ env: { NODE_ENV: 'production', [name]: undefined } });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(name);
  });

  it.each(['JWT_SECRET', 'SESSION_SECRET'])(
    'with a %s that can be guessed: refuses, and does not print it',
    async (name) => {
      const lines = await refusal({ env: { NODE_ENV: 'production', [name]: 'guess-me' } });
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(name);
      expect(lines[0]).not.toContain('guess-me');
    },
  );

  it('with its secrets starts', async () => {
    const server = await start({ env: { NODE_ENV: 'production' } });
    expect(await server.isReady()).toBe(true);
  });
});
