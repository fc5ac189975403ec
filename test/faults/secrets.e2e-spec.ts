import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jwtVerify } from 'jose';
import { send, signIn, tokenFor } from '../support/api.js';
import { ServerProcess } from '../support/server-process.js';
import { TEST_ENV } from '../support/test-env.js';

const OLD = {
  JWT_SECRET: 'the old secret of tokens, for tests only',
  SESSION_SECRET: 'the old secret of cookies, for tests',
};
const NEW = {
  JWT_SECRET: 'the new secret of tokens, for tests only',
  SESSION_SECRET: 'the new secret of cookies, for tests',
};
const OVERLAP = { JWT_SECRET_PREVIOUS: OLD.JWT_SECRET, SESSION_SECRET_PREVIOUS: OLD.SESSION_SECRET };
const PRODUCTION = { NODE_ENV: 'production' };

interface Credentials {
  cookie: string;
  token: string;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentline-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One life of the server on the folder, with what may be done in it. */
async function during<T>(
  env: Record<string, string | undefined>,
  work: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await ServerProcess.start({ dataDir: folder, env: { ...PRODUCTION, ...env } });
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

async function getCredentials({ url }: ServerProcess): Promise<Credentials> {
  const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password } = TEST_ENV;
  return { cookie: await signIn(url, email, password), token: await tokenFor(url, email, password) };
}

/** Statuses by cookie and by token. */
async function use({ url }: ServerProcess, { cookie, token }: Credentials): Promise<number[]> {
  const byCookie = await send('GET', `${url}/api/auth/me`, undefined, { cookie });
  const byToken = await send('GET', `${url}/api/auth/me`, undefined, { authorization: `Bearer ${token}` });
  return [byCookie.status, byToken.status];
}

function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('secrets that are changed over a restart', () => {
  it('leave who is signed in alone while the old ones are named, and sign with the new ones only', async () => {
    const old = await during(OLD, getCredentials);
    const fresh = await during({ ...NEW, ...OVERLAP }, async (server) => {
      expect(await use(server, old)).toEqual([200, 200]);
      return getCredentials(server);
    });
    await jwtVerify(fresh.token, new TextEncoder().encode(NEW.JWT_SECRET));
    await during(NEW, async (server) => {
      expect(await use(server, old)).toEqual([401, 401]);
      expect(await use(server, fresh)).toEqual([200, 200]);
    });
  }, 60_000);
});

describe('secrets in files', () => {
  it('are those of the server', async () => {
    const env = {
      JWT_SECRET: undefined,
      JWT_SECRET_FILE: fileWith('jwt', `${NEW.JWT_SECRET}\n`),
      SESSION_SECRET: undefined,
      SESSION_SECRET_FILE: fileWith('session', NEW.SESSION_SECRET),
      ADMIN_PASSWORD: undefined,
      ADMIN_PASSWORD_FILE: fileWith('password', `${TEST_ENV.ADMIN_PASSWORD}\r\n`),
      METRICS_TOKEN_FILE: fileWith('metrics', 'a-token-for-metrics\n'),
    };
    await during(env, async (server) => {
      const { token } = await getCredentials(server);
      await jwtVerify(token, new TextEncoder().encode(NEW.JWT_SECRET));
      const authorization = 'Bearer a-token-for-metrics';
      expect((await send('GET', `${server.url}/metrics`, undefined, { authorization })).status).toBe(200);
    });
  }, 60_000);

  it.each<[string, Record<string, string | undefined>, string]>([
    [
      'when the secret is set, too',
      { JWT_SECRET_FILE: 'any' },
      'JWT_SECRET and JWT_SECRET_FILE are both set: keep one of them.',
    ],
    [
      'when there is no file',
      { SESSION_SECRET: undefined, SESSION_SECRET_FILE: 'missing' },
      'SESSION_SECRET_FILE is "missing", which cannot be read: ENOENT.',
    ],
  ])('refuse the start in one line %s', async (_name, env, message) => {
    const server = await ServerProcess.start({
      dataDir: folder,
      ready: false,
      env: { ...PRODUCTION, ...env },
    });
    expect((await server.exited).code).toBe(1);
    expect(server.stderr).toBe(`Agentline cannot start: ${message}\n`);
    await server.stop();
  });
});
