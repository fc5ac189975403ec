import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus, type RunBody } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { dataOf } from './support/event-list.js';
import { FakeUpstream, type Reply } from './support/fake-upstream.js';
import { upstreamEnv } from './support/test-env.js';
import { until } from './support/until.js';

const NOBODYS_RUN = 'run_01h455vb4pex5vsknk084sn02q';

interface Diff {
  run_id: string;
  files: { path: string; status: string; diff: string; changed_since: boolean }[];
}

interface Revert {
  run_id: string;
  files: { path: string; status: string }[];
}

let folder: string;
let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let eve: Api;
let session: string;
let calls = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'agentline-workspaces-'));
  upstream = await FakeUpstream.start();
  app = await startApp({ ...upstreamEnv(upstream.url), WORKSPACE_DIR: folder });
  ada = await Api.as(app.url, 'ada');
  eve = await Api.as(app.url, 'eve');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  session = await ada.createSession();
});

type Step = [tool: string, input: Record<string, unknown>];

function replyWith(...[name, input]: Step): Reply {
  calls += 1;
  return { sse: toolReply([], [{ id: `toolu_${calls}`, name, input }]) };
}

/** A run in which the model makes these calls, one after the other. */
async function runOf(...steps: Step[]): Promise<RunBody> {
  const replies = steps.map((step) => replyWith(...step));
  upstream.answer([...replies, { sse: textReply(['done']) }]);
  const run = await ada.post(session, 'please');
  expect((await ada.settled(run.id)).status).toBe('completed');
  return run;
}

/** What the tools of a run answered. */
async function resultsOf(run: RunBody): Promise<{ result: unknown; isError: unknown }[]> {
  const { events } = await ada.read({ session_id: session, run_id: run.id });
  const results = events.filter(({ event }) => event === 'tool_result').map(dataOf);
  return results.map(({ result, is_error: isError }) => ({ result, isError }));
}

const onDisk = (path: string) => join(folder, session, path);
const diff = (run: { id: string }, who = ada) => who.call<Diff>('GET', `/api/agent/runs/${run.id}/diff`);
const revert = (run: { id: string }, who = ada) =>
  who.call<Revert>('POST', `/api/agent/runs/${run.id}/revert`);
const write = (path: string, content: string): Step => ['write_file', { path, content }];
const edit = (path: string, old_string: string, new_string: string): Step => [
  'edit_file',
  { path, edits: [{ old_string, new_string }] },
];

/** A refusal without what differs between any two of them. */
function withoutPlace(body: object): object {
  return { ...body, request_id: '', instance: '' };
}

describe('the workspace of a session', () => {
  it('is written, read, searched and edited by its runs', async () => {
    const run = await runOf(
      write('src/a.txt', 'one\ntwo\n'),
      edit('src/a.txt', 'two', 'three'),
      ['read_file', { path: 'src/a.txt' }],
      ['list_files', { recursive: true }],
      ['grep', { pattern: '^th' }],
    );
    expect(await resultsOf(run)).toEqual([
      { isError: false, result: { path: 'src/a.txt', status: 'created', bytes: 8 } },
      { isError: false, result: { path: 'src/a.txt', status: 'changed', bytes: 10, replacements: 1 } },
      { isError: false, result: { path: 'src/a.txt', text: '1\tone\n2\tthree', next_offset: null } },
      {
        isError: false,
        result: {
          entries: [
            { path: 'src', type: 'folder' },
            { path: 'src/a.txt', type: 'file', bytes: 10 },
          ],
          truncated: false,
        },
      },
      {
        isError: false,
        result: { matches: [{ path: 'src/a.txt', line: 2, text: 'three' }], truncated: false },
      },
    ]);
    expect(readFileSync(onDisk('src/a.txt'), 'utf8')).toBe('one\nthree\n');
    expect(upstream.complaints).toEqual([]);
  });

  it('is not left, and the model is told why', async () => {
    const results = await resultsOf(
      await runOf(['read_file', { path: '../../etc/passwd' }], write('/tmp/x', 'x'), [
        'list_files',
        { path: '..' },
      ]),
    );
    expect(results).toEqual([
      {
        isError: true,
        result: 'The path "../../etc/passwd" leaves the workspace or has a name of dots only.',
      },
      { isError: true, result: 'The path "/tmp/x" is absolute: paths are relative to the workspace.' },
      { isError: true, result: 'The path ".." leaves the workspace or has a name of dots only.' },
    ]);
  });
});

describe('what a run changed', () => {
  it('is a diff, and can be put back', async () => {
    const first = await runOf(write('a.txt', 'one\ntwo\n'));
    const second = await runOf(edit('a.txt', 'two', 'three'), write('b.txt', 'new\n'));

    expect(expectStatus(await diff(first), 200).body).toEqual({
      run_id: first.id,
      files: [
        {
          path: 'a.txt',
          status: 'added',
          diff: '--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n',
          changed_since: true,
        },
      ],
    });
    expect(expectStatus(await diff(second), 200).body).toEqual({
      run_id: second.id,
      files: [
        {
          path: 'a.txt',
          status: 'modified',
          diff: '--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n',
          changed_since: false,
        },
        {
          path: 'b.txt',
          status: 'added',
          diff: '--- /dev/null\n+++ b/b.txt\n@@ -0,0 +1,1 @@\n+new\n',
          changed_since: false,
        },
      ],
    });

    const reverted = {
      run_id: second.id,
      files: [
        { path: 'a.txt', status: 'restored' },
        { path: 'b.txt', status: 'removed' },
      ],
    };
    expect(expectStatus(await revert(second), 200).body).toEqual(reverted);
    expect(expectStatus(await revert(second), 200).body).toEqual(reverted);
    expect(readFileSync(onDisk('a.txt'), 'utf8')).toBe('one\ntwo\n');
    expect(existsSync(onDisk('b.txt'))).toBe(false);
  });

  it('is not put back over what came later: 409 with the paths', async () => {
    const first = await runOf(write('a.txt', 'one'), write('b.txt', 'one'));
    await runOf(edit('a.txt', 'one', 'two'));
    const refused = expectStatus(await revert(first), 409);
    expect(refused.body).toMatchObject({
      code: 'conflict',
      detail: 'Changed since the run: "a.txt". Nothing of them was put back.',
      errors: [{ path: 'a.txt', message: 'Changed since the run.' }],
    });
    expect(readFileSync(onDisk('b.txt'), 'utf8')).toBe('one');
  });

  it('is not put back while the session has an open run: 409', async () => {
    const first = await runOf(write('a.txt', 'one'));
    upstream.answer([{ sse: textReply(['slow ']), stallAfterPieces: 1 }]);
    const open = await ada.post(session, 'please');
    await until('the run to run', async () => (await ada.run(open.id)).status === 'running');
    expect(expectStatus(await revert(first), 409).body).toMatchObject({ code: 'session_busy' });
    expect(existsSync(onDisk('a.txt'))).toBe(true);
    await ada.cancel(open.id);
    expectStatus(await revert(first), 200);
    expect(existsSync(onDisk('a.txt'))).toBe(false);
  });

  it('is nothing for a run that changed nothing', async () => {
    const run = await runOf(['list_files', {}]);
    expect(expectStatus(await diff(run), 200).body).toEqual({ run_id: run.id, files: [] });
    expect(expectStatus(await revert(run), 200).body).toEqual({ run_id: run.id, files: [] });
  });

  it.each([
    ['diff', diff],
    ['revert', revert],
  ])('%s answers for the run of somebody else as for one that does not exist', async (_name, ask) => {
    const run = await runOf(write('a.txt', 'mine'));
    const foreign = expectStatus(await ask(run, eve), 404);
    const unknown = expectStatus(await ask({ id: NOBODYS_RUN }, eve), 404);
    expect(withoutPlace(foreign.body)).toEqual(withoutPlace(unknown.body));
    expectStatus(await ask({ id: '../x' }), 404);
    expectStatus(await ask({ id: 'x' }), 404);
    expect(readFileSync(onDisk('a.txt'), 'utf8')).toBe('mine');
  });

  it('takes no fields it does not know', async () => {
    const run = await runOf(write('a.txt', 'one'));
    expectStatus(await ada.call('POST', `/api/agent/runs/${run.id}/revert`, { force: true }), 400);
    expect(existsSync(onDisk('a.txt'))).toBe(true);
  });
});

describe('a session', () => {
  it('sees nothing of the files of another', async () => {
    await runOf(write('a.txt', 'mine'));
    session = await ada.createSession();
    const results = await resultsOf(await runOf(['list_files', {}], ['read_file', { path: 'a.txt' }]));
    expect(results).toEqual([
      { isError: false, result: { entries: [], truncated: false } },
      { isError: true, result: 'There is no file "a.txt" in the workspace.' },
    ]);
  });

  it('overwrites no file that it has not read', async () => {
    await runOf(write('a.txt', 'one'));
    writeFileSync(onDisk('a.txt'), 'somebody else');
    const results = await resultsOf(await runOf(write('a.txt', 'two')));
    expect(results.map(({ isError }) => isError)).toEqual([true]);
    expect(readFileSync(onDisk('a.txt'), 'utf8')).toBe('somebody else');
    expect(readdirSync(onDisk('.'))).toEqual(['a.txt']);
  });

  it('takes its files with it when it is deleted', async () => {
    await runOf(write('a.txt', 'one'));
    expect(readdirSync(folder)).toContain(session);
    expectStatus(await ada.call('DELETE', `/api/agent/sessions/${session}`), 204);
    expect(readdirSync(folder)).not.toContain(session);
  });

  it('shares its files with its sub-agents, and what they change is part of the run', async () => {
    await runOf(write('a.txt', 'one'));
    upstream.answer(({ body }) => {
      const [first] = body.messages;
      const turn = body.messages.filter(({ role }) => role === 'assistant').length;
      if (JSON.stringify(first).includes('change a.txt')) {
        if (turn === 0) return replyWith('read_file', { path: 'a.txt' });
        if (turn === 1) return replyWith('write_file', { path: 'a.txt', content: 'two' });
      } else if (!JSON.stringify(body.messages.at(-1)).includes('tool_result')) {
        return replyWith('task', { prompt: 'change a.txt' });
      }
      return { sse: textReply(['done']) };
    });
    const run = await ada.post(session, 'please');
    expect((await ada.settled(run.id)).status).toBe('completed');
    expect(readFileSync(onDisk('a.txt'), 'utf8')).toBe('two');
    expect(expectStatus(await diff(run), 200).body.files).toMatchObject([
      { path: 'a.txt', status: 'modified', changed_since: false },
    ]);
    expectStatus(await revert(run), 200);
    expect(readFileSync(onDisk('a.txt'), 'utf8')).toBe('one');
    expectStatus(await ada.call('DELETE', `/api/agent/sessions/${session}`), 204);
    expect(readdirSync(folder)).not.toContain(session);
  });
});
