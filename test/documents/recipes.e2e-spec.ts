import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { AppModule } from '../../src/app.module.js';
import { createApp } from '../../src/app.setup.js';
import type { PlacedRunEvent } from '../../src/event-log/run-event.js';
import { type ListenedRun, OnRunEvent } from '../../src/runs/on-run-event.decorator.js';
import { applyRecipes } from './fenced-blocks.js';
import { StartedServer } from './started-server.js';
import { TreeCopy } from './tree-copy.js';
import { Api, send, tokenFor } from '../support/api.js';
import { RULES } from '../support/architecture-rules.js';
import { ROOT } from '../support/build.js';
import { dataOf, placeOf, textOf } from '../support/event-list.js';
import { parseTree, readSources } from '../support/source-tree.js';
import { TEST_ENV } from '../support/test-env.js';
import { until } from '../support/until.js';

const ADMIN = { ADMIN_EMAIL: 'ada@example.com', ADMIN_PASSWORD: 'correct horse battery staple' };
const SERVICE_KEY = 'a key of the tests only, and long enough';
const FAST = { OFFLINE_MODEL_DELAY_MS: '0' };
/** They take ten seconds; a machine that does other things, too, a minute. */
const CHECKS_MS = 150_000;
const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];

/** The recipes of both documents, followed to the letter in a copy of the tree. */
describe('a tree in which the recipes were followed', () => {
  let copy: TreeCopy;
  let paths: string[];
  const told = { session: '', text: '' };

  beforeAll(() => {
    copy = new TreeCopy();
    paths = ['README.md', 'CONTRIBUTING.md'].flatMap((name) =>
      applyRecipes(readFileSync(join(ROOT, name), 'utf8'), copy),
    );
  });

  afterAll(() => {
    copy?.remove();
  });

  it('has a tool, a module with an agent and a table, a way to sign in, a log store and a model more', () => {
    const folders = new Set(paths.map((path) => path.split('/').slice(1, 3).join('/')));
    expect([...folders]).toEqual(
      expect.arrayContaining([
        'tools/invoice',
        'acme/acme.module.ts',
        'acme/bookkeeper.ts',
        'acme/note.repository.ts',
        'auth/service-key',
        'event-log/memory',
        'model/echo',
      ]),
    );
  });

  it('breaks no rule of the architecture that was not broken before', () => {
    const before = brokenIn(ROOT);
    const added = brokenIn(copy.folder).filter((offence) => !before.includes(offence));
    expect(added).toEqual([]);
  });

  it(
    'passes the checks of `npm run check`',
    async () => {
      const [format, lint, types] = await Promise.all([
        copy.run(['node_modules/.bin/prettier', '--check', ...paths], {}, CHECKS_MS),
        copy.run(['node_modules/.bin/oxlint', '--type-aware', ...paths], {}, CHECKS_MS),
        copy.run(['npm', 'run', '-s', 'types'], {}, CHECKS_MS),
      ]);
      const complaints = types.stdout
        .split('\n')
        .filter((line) => paths.some((path) => line.startsWith(path)));
      expect([format.stdout + format.stderr, lint.stdout + lint.stderr, complaints]).toEqual([
        expect.stringContaining('All matched files use Prettier code style!'),
        expect.stringContaining('Found 0 warnings and 0 errors.'),
        [],
      ]);
    },
    CHECKS_MS + 10_000,
  );

  it(
    'passes the specs of the recipes, with the contract of the log',
    async () => {
      const specs = ['src/tools/invoice', 'src/acme', 'src/database/tenant-scope', 'src/event-log/memory'];
      const { code, stderr } = await copy.run([process.execPath, ...JEST, ...specs], {}, CHECKS_MS);
      expect({ code, stderr }).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/Test Suites: 4 passed, 4 total/),
      });
    },
    CHECKS_MS + 10_000,
  );

  describe('started with npm start', () => {
    let server: StartedServer;
    let ada: Api;

    beforeAll(async () => {
      server = await StartedServer.start(copy, { ...ADMIN, ...FAST, SERVICE_KEY });
      ada = new Api(server.url, await tokenFor(server.url, ADMIN.ADMIN_EMAIL, ADMIN.ADMIN_PASSWORD));
    }, 90_000);

    it('calls the tool in a run, refuses what it refuses, and tells the listener', async () => {
      const session = await ada.createSession();
      await ada.post(session, 'Use get_invoice with number 7.');
      const { events } = await ada.read({ session_id: session });
      const result = dataOf(events.find(({ event }) => event === 'tool_result'));
      expect([result.name, result.result, result.is_error]).toEqual([
        'get_invoice',
        { cents: 12_900, paid: false },
        false,
      ]);
      await ada.post(session, 'Use get_invoice with number 8.');
      const second = await ada.read({ session_id: session });
      const refused = dataOf(second.events.find(({ event }) => event === 'tool_result'));
      expect([refused.result, refused.is_error]).toEqual(['ada@example.com has no invoice 8.', true]);
      Object.assign(told, { session, text: textOf(second.events) });
      expect(server.output).toMatch(
        /"context":"ToolAudit","msg":"usr_\w+ called get_invoice \(run_\w+\.1\.\d+\)"/,
      );
    });

    it('answers on the route of the module, by start and follow', async () => {
      const answer = await ada.call('POST', '/api/acme/questions', { content: 'What is 6*7?' });
      expect(answer.status).toBe(200);
      expect(answer.body['answer']).toMatch(/calculate answered: \{"result":42\}/);
      expect((await send('POST', `${server.url}/api/acme/questions`, { content: 'Hello' })).status).toBe(401);
    });

    it('has the agent of the module, with its tools and no others', async () => {
      const { body } = await ada.call<{ data: { name: string; tools: string[] }[] }>(
        'GET',
        '/api/agent/agents',
      );
      const tools = body.data.find(({ name }) => name === 'bookkeeper')?.tools;
      expect(tools).toEqual(['calculate', 'get_invoice']);
      const session = await ada.createSession({ agent: 'bookkeeper' });
      const run = await ada.post(session, 'Use get_invoice with number 7.');
      expect(await ada.settled(run.id)).toMatchObject({ status: 'completed', agent: 'bookkeeper' });
    });

    it.each([
      ['the key', SERVICE_KEY, 200, 'service'],
      ['another key', 'wrong', 401, undefined],
    ])('knows the service by %s', async (_what, key, status, id) => {
      const answer = await send('GET', `${server.url}/api/auth/me`, undefined, { 'x-service-key': key });
      expect([answer.status, answer.body['id']]).toEqual([status, id]);
    });

    it('ends with exit code 0 when npm is told to', async () => {
      expect(await server.stop()).toBe(0);
    });
  });

  describe('started again with the model of the recipe', () => {
    let server: StartedServer;
    let ada: Api;

    beforeAll(async () => {
      const command = ['npm', 'run', 'start:prod'];
      server = await StartedServer.start(copy, { ...ADMIN, MODEL: 'echo' }, command);
      ada = new Api(server.url, await tokenFor(server.url, ADMIN.ADMIN_EMAIL, ADMIN.ADMIN_PASSWORD));
    }, 90_000);

    afterAll(async () => {
      await server?.stop();
    });

    it('answers with it', async () => {
      const session = await ada.createSession();
      await ada.post(session, 'Nothing but an echo');
      const { events } = await ada.read({ session_id: session });
      expect([dataOf(events[0]).model, textOf(events)]).toEqual(['echo', 'Nothing but an echo']);
      expect(dataOf(events.at(-1)).cost_usd).toBeNull();
    });

    it('shows what was said before, though the log of the recipe has forgotten it', async () => {
      const { events } = await ada.read({ session_id: told.session });
      expect(told.text).toContain('ada@example.com has no invoice 8.');
      expect(textOf(events)).toBe(told.text);
      expect(events.map(({ id }) => placeOf(id).attempt)).toEqual(events.map(() => 2));
    });
  });
});

/** Listeners as anybody may write them, in a module around the application. */
describe('@OnRunEvent on providers of another module', () => {
  const heard: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'agentline-listening-'));
  let app: Awaited<ReturnType<typeof createApp>>;
  let ada: Api;

  @Injectable()
  class Careful {
    @OnRunEvent('tool_call', 'tool_result', 'done')
    hear(event: PlacedRunEvent, run: ListenedRun): void {
      heard.push(`${run.userId} ${event.type} ${event.seq}`);
    }
  }

  @Injectable()
  class Thrower {
    @OnRunEvent('token')
    hear(): never {
      throw new Error('not my day');
    }
  }

  @Injectable()
  class Sleeper {
    @OnRunEvent('run')
    hear(): Promise<never> {
      return new Promise(() => undefined);
    }
  }

  @Module({ imports: [AppModule], providers: [Careful, Thrower, Sleeper] })
  class Listening {}

  beforeAll(async () => {
    Object.assign(process.env, {
      ...FAST,
      LOG_LEVEL: 'silent',
      DATA_DIR: folder,
      JWT_SECRET: TEST_ENV.JWT_SECRET,
    });
    app = await createApp(Listening);
    await app.listen(0, '127.0.0.1');
    ada = await Api.as(await app.getUrl(), 'ada');
  });

  afterAll(async () => {
    await app?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('tells each its events in order, whatever the others throw and however long they take', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'What time is it in Tokyo, and what is 6*7?');
    const { events } = await ada.read({ session_id: session });
    await until('the listener to hear the end', () => heard.some((line) => line.startsWith('ada done')));

    expect((await ada.settled(run.id)).status).toBe('completed');
    expect(heard).toEqual(
      events.flatMap(({ event, id }) =>
        ['tool_call', 'tool_result', 'done'].includes(event) ? [`ada ${event} ${placeOf(id).seq}`] : [],
      ),
    );
    expect(heard).toHaveLength(5);
  });
});

function brokenIn(root: string): string[] {
  const tree = parseTree(readSources(join(root, 'src')));
  return RULES.flatMap(({ title, offenders }) => offenders(tree).map((offence) => `${title}: ${offence}`));
}
