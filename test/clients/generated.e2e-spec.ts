import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { blocksOf } from '../documents/fenced-blocks.js';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { Api } from '../support/api.js';
import { type RunningApp, startApp } from '../support/app.js';
import { ROOT } from '../support/build.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { upstreamEnv } from '../support/test-env.js';

const run = promisify(execFile);

/** The program as docs/clients.md has it. */
const PROGRAM = blocksOf(readFileSync(join(ROOT, 'docs', 'clients.md'), 'utf8')).find(({ text }) =>
  text.startsWith('// client.ts'),
)!.text;

let upstream: FakeUpstream;
let app: RunningApp;
let folder: string;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  app = await startApp(upstreamEnv(upstream.url));
  folder = mkdtempSync(join(tmpdir(), 'agentline-generated-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const cli = join(ROOT, 'node_modules', 'openapi-typescript', 'bin', 'cli.js');
  const output = join(folder, 'openapi.ts');
  await run(process.execPath, [
    cli,
    join(ROOT, 'openapi.json'),
    '-o',
    output,
    '--default-non-nullable=false',
  ]);
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function answer(call: UpstreamCall): Reply {
  const isAnswered = JSON.stringify(call.body.messages.at(-1)).includes('tool_result');
  if (isAnswered) return { sse: textReply(['It is ', 'noon.']) };
  const input = { timezone: 'Asia/Tokyo' };
  return { sse: toolReply(['Let me look. '], [{ id: 'toolu_1', name: 'get_time', input }]) };
}

/** What the compiler says about the program. */
async function complaintsAbout(program: string): Promise<string> {
  writeFileSync(join(folder, 'client.ts'), program);
  const compiler = join(ROOT, 'node_modules', 'typescript7', 'bin', 'tsc');
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
  return run(process.execPath, [compiler, ...options, 'client.ts'], { cwd: folder }).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );
}

describe('a client that is generated from openapi.json', () => {
  it('compiles, and streams typed events', async () => {
    expect(await complaintsAbout(PROGRAM)).toBe('');
    const { token } = await Api.as(app.url, 'ada');
    const env = { ...process.env, AGENTLINE_URL: app.url, AGENTLINE_TOKEN: token };
    const { stdout } = await run(process.execPath, ['client.ts'], { cwd: folder, env });
    expect(stdout).toBe(
      'Let me look. get_time {"timezone":"Asia/Tokyo"}\nIt is noon.\ncompleted: 10 tokens\n',
    );
  });

  it.each([
    [
      'a body that is not one',
      "title: 'Time'",
      'title: 7',
      "Type 'number' is not assignable to type 'string'",
    ],
    [
      'data that an event does not have',
      'event.data.text',
      'event.data.txt',
      "Property 'txt' does not exist",
    ],
    ['an event that there is not', "'token'", "'tokens'", 'appears to be unintentional'],
    ['a query without its session', 'session_id: session.id', '', "Property 'session_id' is missing"],
  ])('does not compile with %s', async (_what, right, wrong, complaint) => {
    expect(PROGRAM).toContain(right);
    expect(await complaintsAbout(PROGRAM.replace(right, wrong))).toContain(complaint);
  });
});
