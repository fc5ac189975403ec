import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, tokenFor } from '../support/api.js';
import { ROOT } from '../support/build.js';
import { textOf } from '../support/event-list.js';
import { ServerProcess } from '../support/server-process.js';
import { TEST_ENV } from '../support/test-env.js';
import { until, within } from '../support/until.js';

const { ADMIN_EMAIL, ADMIN_PASSWORD } = TEST_ENV;
const COUNTED = Array.from({ length: 60 }, (_, n) => n + 1).join(' ');
const folder = mkdtempSync(join(tmpdir(), 'agentline-cli-'));

let server: ServerProcess;
let token: string;
let ada: Api;

beforeAll(async () => {
  server = await ServerProcess.start({
    // The offline model answers, and one of the tools needs to be allowed.
    command: [process.execPath, 'test/support/faults/tool-server.mjs'],
    env: {
      ANTHROPIC_BASE_URL: undefined,
      ANTHROPIC_API_KEY: undefined,
      OFFLINE_MODEL_DELAY_MS: '20',
      EFFECTS_FILE: join(folder, 'effects'),
      LEASE_MS: '1000',
    },
  });
  token = await tokenFor(server.url, ADMIN_EMAIL, ADMIN_PASSWORD);
  ada = new Api(server.url, token);
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** `agentline` in a process of its own, as at the other end of a pipe. */
class Terminal {
  stdout = '';
  stderr = '';
  readonly ended: Promise<number | null>;

  constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = once(child, 'close').then(([code]) => code as number | null);
  }

  type(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  interrupt(): void {
    this.child.kill('SIGINT');
  }

  /** Nothing more is typed. @returns the exit code. */
  close(): Promise<number | null> {
    this.child.stdin?.end();
    return within(20_000, 'agentline to end', this.ended);
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  shows(text: string | RegExp, ms = 20_000): Promise<boolean> {
    const isThere = () => (typeof text === 'string' ? this.stdout.includes(text) : text.test(this.stdout));
    return until(`${String(text)} in ${JSON.stringify(this.stdout.slice(-300))}`, isThere, ms);
  }

  says(text: string): Promise<boolean> {
    return until(`${text} in ${JSON.stringify(this.stderr)}`, () => this.stderr.includes(text));
  }
}

const terminals: Terminal[] = [];

afterEach(() => {
  for (const terminal of terminals.splice(0)) terminal.end();
});

function agentline(args: string[], env: Record<string, string> = { AGENTLINE_TOKEN: token }): Terminal {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, ['dist/cli/agentline.js', ...args], {
    cwd: ROOT,
    env: { PATH, HOME, AGENTLINE_URL: server.url, ...env },
  });
  const terminal = new Terminal(child);
  terminals.push(terminal);
  return terminal;
}

/** The run that was started last, in the session that is newest. */
async function latestRun() {
  const { body } = await ada.call<{ data: { id: string }[] }>('GET', '/api/agent/sessions?limit=1');
  const [run] = await ada.runsOf(body.data[0]!.id);
  return run!;
}

describe('agentline chat', () => {
  it('asks who is there, streams the answer, and asks before a tool that must be allowed', async () => {
    const terminal = agentline(['chat'], {});
    await terminal.says('E-mail:');
    terminal.type(ADMIN_EMAIL);
    await terminal.says('Password:');
    terminal.type(ADMIN_PASSWORD);
    terminal.type('Use sign with text "hello".');
    await terminal.shows('[waits] sign until ');
    await terminal.says('Allow sign with {"text":"hello"}? [y]es, [n]o and why:');
    terminal.type('y');
    await terminal.shows('[completed]');
    terminal.type('Use sign with text "again".');
    await terminal.shows(/\[waits\] sign[^]*\[waits\] sign/);
    terminal.type('n not twice');
    await terminal.shows(/\[completed\][^]*\[completed\]/);

    expect(await terminal.close()).toBe(0);
    expect(readFileSync(join(folder, 'effects'), 'utf8')).toBe('hello\n');
    expect(terminal.stdout).toContain('[call] sign {"text":"hello"}');
    expect(terminal.stdout).toMatch(/\[result\] sign noted \(\d+ ms\)/);
    expect(terminal.stdout).toMatch(/\[failed\] sign .*not twice/);
    expect(terminal.stdout + terminal.stderr).not.toContain(ADMIN_PASSWORD);
    expect(terminal.stdout + terminal.stderr).not.toContain('\u001b');
  });

  it('goes on by itself when the server dies in the middle of the answer', async () => {
    const terminal = agentline(['chat']);
    terminal.type('Count to 60.');
    await terminal.shows(' 5 6 7 ');
    await server.crash();
    await terminal.says('Connection lost. Coming back…');
    await server.restart();
    await terminal.shows('[completed]', 30_000);

    expect(await terminal.close()).toBe(0);
    expect(terminal.stdout).toContain('[again]');
    expect(terminal.stdout.replaceAll('\n', '')).toContain(COUNTED);
    expect(textOf((await ada.read({ session_id: (await latestRun()).session_id })).events)).toContain(
      COUNTED,
    );
  });

  it('stops the answer at Ctrl-C, and goes on with the conversation', async () => {
    const terminal = agentline(['chat']);
    terminal.type('Count to 2000.');
    await terminal.shows(' 3 4 ');
    terminal.interrupt();
    await terminal.shows('[cancelled]');
    terminal.type('What is 6*7?');
    await terminal.shows('[completed]');

    expect(await terminal.close()).toBe(0);
    expect(terminal.stdout).toContain('{"result":42}');
  });

  it('leaves at the second Ctrl-C without ending anything else, and comes back where it was', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'Count to 200.');
    const first = agentline(['chat', '--session', session]);
    await first.shows(' 9 10 ');
    // A server that does not answer the cancellation: leaving must not wait for it.
    server.kill('SIGSTOP');
    first.interrupt();
    await first.says('Stopping. Once more leaves.');
    first.interrupt();
    expect(await within(10_000, 'it to leave', first.ended)).toBe(130);
    server.kill('SIGCONT');
    const [, back = ''] = /Come back with: agentline (chat .*)/.exec(first.stderr) ?? [];
    const second = agentline(back.split(' '));
    await second.shows(/\[(completed|cancelled)\]/);

    expect(back).toContain(`--session ${session} --last-event-id ${run.id}.1.`);
    // The blank after a word is part of the answer, the line break after the last one is not.
    const shown = first.stdout.replace(/\n+$/, '') + second.stdout.slice(0, second.stdout.lastIndexOf('['));
    expect(shown.replaceAll(/\s+/g, ' ').trim()).toBe(
      textOf((await ada.read({ session_id: session })).events)
        .replaceAll(/\s+/g, ' ')
        .trim(),
    );
  });

  it('asks again for what still waits when it comes back', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'Use sign with text "later".');
    await until('the run to wait', async () => (await ada.run(run.id)).status === 'waiting');
    const { last_event_id: last } = await ada.run(run.id);
    const terminal = agentline(['chat', '--session', session, '--last-event-id', last!]);
    await terminal.says('Allow sign with {"text":"later"}?');
    terminal.type('yes');
    await terminal.shows('[completed]');

    expect(await terminal.close()).toBe(0);
    expect(terminal.stdout).not.toContain('[call]');
  });

  it('fails with the reason when it may not come in', async () => {
    const wrong = agentline(['chat'], { AGENTLINE_TOKEN: 'a-wrong-token' });
    expect([await wrong.close(), wrong.stdout]).toEqual([1, '']);
    expect(wrong.stderr).not.toContain('a-wrong-token');
    const nobody = agentline(['chat'], {});
    expect(await nobody.close()).toBe(1);
    expect(nobody.stderr).toContain('Not signed in: set AGENTLINE_TOKEN');
    expect(await agentline(['chat', '--token=abc']).close()).toBe(2);
  });
});

/** `script` gives a program a terminal (bsdutils). */
const AT_A_TERMINAL = existsSync('/usr/bin/script') ? it : it.skip;

describe('agentline chat at a terminal', () => {
  AT_A_TERMINAL('does not show the password, stops at Ctrl-C, and has a history', async () => {
    const { PATH, HOME } = process.env;
    const command = `exec ${process.execPath} dist/cli/agentline.js chat`;
    const child = spawn('script', ['-qefc', command, '/dev/null'], {
      cwd: ROOT,
      env: { PATH, HOME, TERM: 'xterm', AGENTLINE_URL: server.url },
    });
    const terminal = new Terminal(child);
    terminals.push(terminal);
    const press = (keys: string) => child.stdin.write(keys);
    await terminal.shows('E-mail: ');
    press(`${ADMIN_EMAIL}\r`);
    await terminal.shows('Password: ');
    press(`${ADMIN_PASSWORD}\r`);
    await terminal.shows('> ');
    press('Count to 2000.\r');
    await terminal.shows(' 5 6 7 ');
    press('\u0003');
    await terminal.shows(/\[cancelled\][^]*> /);
    // Up, and the end of the line.
    press('\u001b[A');
    await terminal.shows(/\[cancelled\][^]*> [^]*Count to 2000\./);
    press('\u0003');

    expect(await within(10_000, 'it to end', terminal.ended)).toBe(0);
    expect(terminal.stdout).toContain(ADMIN_EMAIL);
    expect(terminal.stdout).not.toContain(ADMIN_PASSWORD.slice(0, 7));
  });
});

describe('agentline tail', () => {
  it.each(['sse', 'websocket'])('shows a run of somebody else to its end, over %s', async (transport) => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'Count to 20.');
    const terminal = agentline(['tail', run.id, '--transport', transport]);

    expect(await within(20_000, 'the end', terminal.ended)).toBe(0);
    expect(terminal.stdout).toContain(' 18 19 20\n[completed]');
  });

  it('shows the events as lines of JSON, after a cursor', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'Hello');
    await ada.settled(run.id);
    const { events } = await ada.read({ session_id: session });
    const terminal = agentline(['tail', run.id, '--json', '--last-event-id', events[1]!.id]);

    expect(await within(20_000, 'the end', terminal.ended)).toBe(0);
    const lines = terminal.stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      events.slice(2).map(({ event, id, data }) => ({ event, id, data: JSON.parse(data) as unknown })),
    );
  });

  it('says that there is no such run', async () => {
    const terminal = agentline(['tail', 'run_01m8amyqqcesqbw891dmtcbjga']);
    expect(await within(20_000, 'the end', terminal.ended)).toBe(1);
    expect(terminal.stderr).toBe('There is no such run.\n');
  });
});
