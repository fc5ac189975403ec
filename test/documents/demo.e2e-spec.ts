import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TreeCopy } from './tree-copy.js';
import { ROOT } from '../support/build.js';

/** Settings of the caller's shell that belong to another server. */
const OTHERS = { PORT: '1', DATABASE_URL: 'postgres://127.0.0.1:9/nowhere', NODE_ENV: 'production' };
const EVENT = /^ +\d+\.\d\d s {2}(\S+) +(\w+) +(\{.*\})$/;

const terminalFile = join(ROOT, 'scripts', 'demo', 'terminal.mjs');

interface Terminal {
  event(seconds: number, event: { id: string; event: string; data: string }): void;
}

/** npm has a cache of its own in the temporary folder. */
function leftBehind({ temporary }: TreeCopy): string[] {
  return readdirSync(temporary).filter((name) => name.startsWith('agentline-'));
}

describe('npm run demo', () => {
  let copy: TreeCopy;

  beforeAll(() => {
    copy = new TreeCopy();
  });

  afterAll(() => {
    copy?.remove();
  });

  it('builds, starts a server, shows each event of a run with two tools, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await copy.run(['npm', 'run', '-s', 'demo'], OTHERS);
    const lines = stdout.split('\n');
    const events = lines.flatMap((line) => {
      const [, id = '', event = '', data = ''] = EVENT.exec(line) ?? [];
      return event === '' ? [] : [{ id, event, data: JSON.parse(data) as Record<string, unknown> }];
    });
    const tools = events.filter(({ event }) => event === 'tool_result').map(({ data }) => data['name']);

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => `1.${index + 1}`));
    expect(new Set(tools)).toEqual(new Set(['calculate', 'get_time']));
    expect(events.at(-1)).toMatchObject({ event: 'done', data: { status: 'completed', cost_usd: 0 } });
    expect(stdout).toContain(`a second viewer has read the log: the same ${events.length} events`);
    expect(stdout).not.toContain('\u001b');
    expect(leftBehind(copy)).toEqual([]);
  }, 90_000);

  it('says in one line why the server does not start, and fails', async () => {
    const { code, stderr } = await copy.run(['npm', 'run', '-s', 'demo'], { ANTHROPIC_BASE_URL: 'nonsense' });

    expect(code).toBe(1);
    expect(stderr).toMatch(/^\nThe demo failed\. .*\nAgentline cannot start: ANTHROPIC_BASE_URL is .*\n$/);
    expect(leftBehind(copy)).toEqual([]);
  });

  describe('with a model that refuses', () => {
    let upstream: Server;

    beforeAll(async () => {
      upstream = createServer((_request, response) => {
        const error = {
          type: 'error',
          error: { type: 'authentication_error', message: 'invalid x-api-key' },
        };
        response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify(error));
      }).listen(0, '127.0.0.1');
      await once(upstream, 'listening');
    });

    afterAll(() => {
      upstream?.close();
    });

    it('shows the failed run to its `done`, says what failed, and fails', async () => {
      const { port } = upstream.address() as AddressInfo;
      const { code, stdout, stderr } = await copy.run(['npm', 'run', '-s', 'demo'], {
        ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
        ANTHROPIC_API_KEY: 'wrong',
      });

      expect(code).toBe(1);
      expect(stdout).toMatch(/ error +\{.*\n.* done +\{"status":"failed"/);
      expect(stderr).toMatch(/^The demo failed\. The run is failed: .*invalid x-api-key/m);
      expect(leftBehind(copy)).toEqual([]);
    });
  });
});

describe('the demo at a terminal', () => {
  const EVENT_SEEN = {
    id: 'run_01m89q11mgfk2vvnrh2sc2w5v0.1.3',
    event: 'tool_call',
    data: '{"id":"toolu_offline_e0baec3b","name":"calculate","args":{"expression":"1+2+3+4+5"}}',
  };

  async function written(env: Record<string, string>): Promise<string> {
    const { Terminal } = (await import(terminalFile)) as {
      Terminal: new (out: object, env: Record<string, string>) => Terminal;
    };
    let text = '';
    const out = { isTTY: true, columns: 80, write: (part: string) => (text += part) };
    new Terminal(out, env).event(1.5, EVENT_SEEN);
    return text;
  }

  it('has colours, short ids and folded lines', async () => {
    expect(await written({})).toBe(
      '\u001b[2m    1.50 s  1.3   \u001b[0m\u001b[33mtool_call  \u001b[0m ' +
        '{"id":"toolu_…baec3b","name":"calculate",\n' +
        `${' '.repeat(30)}"args":{"expression":"1+2+3+4+5"}}\n`,
    );
  });

  it('has no colours where NO_COLOR is set', async () => {
    expect(await written({ NO_COLOR: '1' })).toBe(
      '    1.50 s  1.3   tool_call   {"id":"toolu_…baec3b","name":"calculate",\n' +
        `${' '.repeat(30)}"args":{"expression":"1+2+3+4+5"}}\n`,
    );
  });
});
