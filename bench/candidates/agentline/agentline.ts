import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Descriptor, RawRequest, Seen } from '../../harness/candidate.ts';

/** This server as it ships: `dist/main.js` with the flags of `npm run start:prod`, a bearer, the log on disk. */
const ROOT = process.env['BENCH_SERVER'] ?? fileURLToPath(new URL('../../..', import.meta.url));
const SECRET = 'a secret of the bench that is long enough to sign with';

interface Prepared {
  authorization: string;
  /** A session without runs, for those who wait. */
  session: string;
}

interface Variant {
  name: string;
  title: string;
  needs?: ('postgres' | 'redis')[];
}

export function agentline({ name, title, needs = [] }: Variant): Descriptor<Prepared> {
  return {
    name,
    title,
    needs,
    version: () => `agentline ${packageOf().version}, ${commit()}`,
    start: ({ port, modelUrl, folder, postgresUrl, redisUrl }) => ({
      args: [...flags(), join(ROOT, 'dist/main.js')],
      cwd: folder,
      env: {
        PORT: String(port),
        HOST: '127.0.0.1',
        DATA_DIR: join(folder, 'data'),
        ANTHROPIC_API_KEY: 'bench',
        ANTHROPIC_BASE_URL: modelUrl,
        JWT_SECRET: SECRET,
        SESSION_SECRET: SECRET,
        ...(postgresUrl === undefined ? {} : { DATABASE_URL: postgresUrl }),
        ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
      },
    }),
    readyPath: '/health/ready',
    prepare: async (url) => {
      const authorization = `Bearer ${token()}`;
      return { authorization, session: await makeSession(url, authorization) };
    },
    request: (content, { authorization }) => ({
      method: 'POST',
      path: '/api/agent/stream',
      headers: { authorization, 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ content }),
    }),
    resume: (seen, prepared) => viewer(seen, prepared, seen.lastEventId),
    watch: (seen, prepared) => viewer(seen, prepared),
    watchSocket: ({ beginning }, prepared) => ({
      ...socket(prepared),
      messages: [JSON.stringify({ event: 'subscribe', data: { run_id: idOf(beginning, 'run_id') } })],
    }),
    idle: ({ authorization, session }) => ({
      method: 'GET',
      path: `/api/agent/stream?session_id=${session}`,
      headers: { authorization, accept: 'text/event-stream' },
    }),
    idleSocket: socket,
    sequence: (eventId) => Number(eventId.slice(eventId.lastIndexOf('.') + 1)),
    lastEvent: 'event: done\n',
  };
}

function viewer({ beginning }: Seen, { authorization }: Prepared, lastEventId?: string): RawRequest {
  const sessionId = idOf(beginning, 'session_id');
  const runId = idOf(beginning, 'run_id');
  return {
    method: 'GET',
    path: `/api/agent/stream?session_id=${sessionId}&run_id=${runId}`,
    headers: {
      authorization,
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
  };
}

/** A handshake (RFC 6455 §4.1). */
function socket({ authorization }: Prepared): RawRequest {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
  return {
    method: 'GET',
    path: '/api/agent/ws',
    headers: { authorization, ...upgrade, 'sec-websocket-protocol': 'agent.v1' },
  };
}

const idOf = (beginning: string, name: string): string =>
  new RegExp(`"${name}":"(\\w+)"`).exec(beginning)?.[1] ?? '';

async function makeSession(url: string, authorization: string): Promise<string> {
  const headers = { authorization, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/agent/sessions`, { method: 'POST', headers, body: '{}' });
  if (answer.status !== 201) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { id: string }).id;
}

interface Package {
  version: string;
  scripts: Record<string, string>;
}

function packageOf(): Package {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Package;
}

/** Those that `start:prod` gives to Node. */
function flags(): string[] {
  return packageOf().scripts['start:prod']?.match(/--\S+/g) ?? [];
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    // A package without its history.
    return 'no commit';
  }
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A bearer as an identity provider would make it (HS256, RFC 7519). */
function token(): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { sub: 'bench', iat: now, exp: now + 6 * 3_600 };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}
