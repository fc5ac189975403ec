import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { blocksOf } from './fenced-blocks.js';
import { StartedServer } from './started-server.js';
import { TreeCopy, type Ending } from './tree-copy.js';
import { isGiven } from '../../src/errors/environment.js';
import { signIn, tokenFor } from '../support/api.js';
import { ROOT } from '../support/build.js';
import { readSources } from '../support/source-tree.js';
import { TEST_ENV } from '../support/test-env.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const BLOCKS = blocksOf(README);
const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];
const ADDRESS = 'http://127.0.0.1:3000';
const FAST = { OFFLINE_MODEL_DELAY_MS: '1' };

/** As README.md says it. */
const SECRETS = /SECRET|PASSWORD|_KEY$|_TOKEN$|^DATABASE_URL$|^REDIS_URL$/;

const isNpm = (line: string): boolean => line.startsWith('npm ');
const shell = BLOCKS.filter(({ language }) => language === 'bash').map(({ text }) => text);
const [pageExample, socketExample, clientExample] = BLOCKS.filter(({ language }) => language === 'js').map(
  ({ text }) => text,
);

interface Manifest {
  scripts: Record<string, string>;
}

/** A document without its code. */
const proseOf = (name: string) => readFileSync(join(ROOT, name), 'utf8').replaceAll(/^```[^]*?^```/gm, '');

describe('the commands of the README', () => {
  it('are two to set up and try, and one to start', () => {
    expect(shell.filter(isNpm)).toEqual(['npm ci && npm run demo\n', 'npm test\n', 'npm start\n']);
  });

  it('name scripts of package.json only, wherever they stand', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
    const named = [...DOCUMENTS, '.githooks/pre-push'].flatMap((name) =>
      [...readFileSync(join(ROOT, name), 'utf8').matchAll(/\bnpm run (?:-s )?([a-z][\w:]*)/g)].map(
        ([, script = '']) => script,
      ),
    );
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
    expect(named.length).toBeGreaterThan(10);
  });

  it('stand in documents that link to files that are there', () => {
    const targets = DOCUMENTS.flatMap((name) =>
      [...proseOf(name).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, target]) => target ?? ''),
    );
    expect(targets.length).toBeGreaterThan(5);
    for (const target of targets) expect([target, existsSync(join(ROOT, target))]).toEqual([target, true]);
  });
});

describe('a server started as the README says', () => {
  let copy: TreeCopy;
  let server: StartedServer;
  let email: string;
  let password: string;

  beforeAll(async () => {
    copy = new TreeCopy();
    server = await StartedServer.start(copy, FAST);
    [, email = ''] = /sign in as (\S+)/.exec(server.output) ?? [];
    ({ admin_password: password } = JSON.parse(copy.read('.data/development.json')) as {
      admin_password: string;
    });
  }, 90_000);

  afterAll(async () => {
    await server?.stop();
    copy?.remove();
  });

  it('lets the administrator in whom it names', async () => {
    expect(email).toBe('admin@localhost');
    expect(await signIn(server.url, email, password)).toMatch(/^session=/);
  });

  it('answers the curl examples: token, stream, resume, cancel', async () => {
    const script = shell.filter((text) => !isNpm(text)).map((text) => `${text}echo '=== next'\n`);
    const { code, stdout, stderr } = await copy.run([
      'bash',
      '-euo',
      'pipefail',
      '-c',
      here(script.join('')),
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [token, whole = '', rest = '', receipt = ''] = stdout.split('=== next\n');
    expect(token).toBe('');
    expect(eventsIn(whole)).toEqual([...'run run token'.split(' '), ...eventsIn(whole).slice(3, -1), 'done']);
    expect(new Set(eventsIn(whole))).toEqual(new Set(['run', 'token', 'tool_call', 'tool_result', 'done']));
    expect(eventsIn(rest)).toEqual(eventsIn(whole).slice(5));
    expect(JSON.parse(receipt)).toMatchObject({ status: 'cancelled', tool_calls: [] });
  });

  it('serves the page example, by cookie', async () => {
    const cookie = await signIn(server.url, email, password);
    const { code, stdout, stderr } = await runJs(browser(server.url, cookie) + here(pageExample ?? ''));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines).toEqual(
      expect.arrayContaining(["calls calculate { expression: '6*7' }", 'done completed']),
    );
    expect(lines).toContain('got calculate { result: 42 }');
    expect(lines.filter((line) => line.startsWith('got get_time'))).toHaveLength(1);
    expect(lines).toContain('stand-in, ');
    expect(lines.at(-2)).toBe('done completed');
  });

  it('has a page example that tells a lost connection from a failed run', async () => {
    const cookie = await signIn(server.url, email, password);
    const lost = here(pageExample ?? '').replace(
      /await post\(`\/api\/agent\/sessions.*/s,
      `source.dispatchEvent(new Event('error'));
       source.dispatchEvent(new MessageEvent('error', { data: '{"error":"overloaded"}' }));
       source.close();`,
    );
    const { stdout } = await runJs(browser(server.url, cookie) + lost);
    expect(stdout.split('\n')).toEqual([
      'connection lost: the browser comes back by itself, with Last-Event-ID',
      'the run failed: overloaded',
      '',
    ]);
  });

  it('serves the example of the typed client', async () => {
    const token = await tokenFor(server.url, email, password);
    const { code, stdout, stderr } = await runJs(here(clientExample ?? ''), { AGENTLINE_TOKEN: token });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('42');
  });

  it('serves the socket example, by token', async () => {
    const token = await tokenFor(server.url, email, password);
    const { code, stdout, stderr } = await runJs(here(socketExample ?? ''), { TOKEN: token });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const events = [...stdout.matchAll(/^(\w+) (run_\w+\.1\.\d+)?/gm)].map(([, event]) => event);
    expect(events.slice(0, 3)).toEqual(['ack', 'run', 'run']);
    expect(events).toEqual(expect.arrayContaining(['token', 'tool_call', 'tool_result']));
    expect(events.at(-1)).toBe('done');
  });

  it('ends with exit code 0 when npm is told to', async () => {
    expect(await server.stop()).toBe(0);
  });

  /** The port is the only thing that is not taken to the letter. */
  function here(text: string): string {
    return text
      .replaceAll(ADDRESS, server.url)
      .replaceAll(ADDRESS.replace('http', 'ws'), server.url.replace('http', 'ws'));
  }

  function runJs(text: string, env: Record<string, string> = {}): Promise<Ending> {
    return copy.run([process.execPath, '--input-type=module', '-e', text], env);
  }
});

/** What a page of the server has and Node has not: relative addresses, the cookie, and EventSource. */
function browser(url: string, cookie: string): string {
  const eventsource = pathToFileURL(join(ROOT, 'node_modules/eventsource/dist/index.js')).href;
  return `
    const { EventSource: Plain } = await import(${JSON.stringify(eventsource)});
    const headers = { cookie: ${JSON.stringify(cookie)}, origin: ${JSON.stringify(url)}, 'sec-fetch-site': 'same-origin' };
    const plainFetch = globalThis.fetch;
    globalThis.fetch = (path, init = {}) =>
      plainFetch(new URL(path, ${JSON.stringify(url)}), { ...init, headers: { ...init.headers, ...headers } });
    globalThis.EventSource = class extends Plain {
      constructor(path) {
        super(new URL(path, ${JSON.stringify(url)}), { fetch: (target, init) => fetch(target, init) });
      }
    };
  `;
}

function eventsIn(stream: string): string[] {
  return [...stream.matchAll(/^event: (\w+)$/gm)].map(([, event]) => event ?? '');
}

describe('the configuration', () => {
  const rows = new Map(
    [...README.matchAll(/^\| `([A-Z][A-Z_]+)` \| (.+?) \| .+ \|$/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
  const example = new Map(
    [...readFileSync(join(ROOT, '.env.example'), 'utf8').matchAll(/^# ([A-Z][A-Z_]+)=(.*)$/gm)].map(
      ([, name = '', value = '']) => [name, value],
    ),
  );
  const configs = [...readSources(join(ROOT, 'src'))].filter(([path]) => path.endsWith('.config.ts'));

  it('has the same variables in the README, in .env.example and in the code', () => {
    const read = new Set(
      configs.flatMap(([, text]) =>
        [...text.matchAll(/^ +([A-Z][A-Z_]+): /gm)].map(([, name]) => name ?? ''),
      ),
    );
    expect(sorted(rows.keys())).toEqual(sorted(read));
    expect(sorted(example.keys())).toEqual(sorted(read));
  });

  it('takes from a file what the README says: one rule for all secrets', () => {
    const inFile = [...rows.keys()].filter((name) => isGiven({ [`${name}_FILE`]: 'a file' }, name));
    expect(sorted(inFile)).toEqual(sorted([...rows.keys()].filter((name) => SECRETS.test(name))));
    expect(README).toContain(
      'Every secret (names with `SECRET`, `PASSWORD`, `_KEY` or `_TOKEN`, and `DATABASE_URL`, `REDIS_URL`) may stand in a file instead: `<NAME>_FILE` names it',
    );
  });

  it('has the same defaults in all three', async () => {
    const defaults: Record<string, string> = {};
    for (const name of rows.keys()) delete process.env[name];
    // With these given no secrets are made, and no folder for them.
    const { ADMIN_EMAIL, ADMIN_PASSWORD, JWT_SECRET, SESSION_SECRET } = TEST_ENV;
    Object.assign(process.env, { ADMIN_EMAIL, ADMIN_PASSWORD, JWT_SECRET, SESSION_SECRET });
    for (const [path] of configs) {
      const exported = Object.values((await import(join(ROOT, 'src', path))) as Record<string, unknown>);
      for (const config of exported.filter((value) => typeof value === 'function')) {
        const values = (config as () => Record<string, unknown>)();
        for (const [name, value] of Object.entries(values))
          if (rows.has(name)) defaults[name] = `\`${String(value)}\``;
      }
    }
    expect(Object.keys(defaults)).toEqual(
      expect.arrayContaining(['PORT', 'MODEL', 'LEASE_MS', 'HEARTBEAT_MS']),
    );
    for (const [name, value] of Object.entries(defaults))
      expect([name, rows.get(name)]).toEqual([name, value]);
    for (const [name, value] of rows) {
      const written = /^`(.*)`$/.exec(value)?.[1] ?? '';
      expect([name, example.get(name)]).toEqual([name, written]);
    }
  });
});

function sorted(names: Iterable<string>): string[] {
  return [...names].toSorted((a, b) => a.localeCompare(b));
}
