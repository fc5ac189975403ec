import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textBlock, textReply, wireEvent, messageStart } from '../anthropic/anthropic-sse.js';
import { type Answer, Api, expectStatus, send, signIn } from '../api.js';
import type { RunningApp } from '../app.js';
import { faultsOf } from '../event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../fake-upstream.js';
import { readSse, type SseStream } from '../sse-client.js';
import { upstreamEnv } from '../test-env.js';

/** Runs of each of the three. */
const RUNS = 4;

export interface TenantsStory {
  start(env: Record<string, string>): Promise<RunningApp>;
  /** Pieces of text of each run. */
  tokens: number;
  /** How often each question is asked to compare how long its answers take; 0: not at all. */
  times: number;
}

/** Somebody, whose every text has a mark of their own. */
interface Party {
  name: string;
  mark: string;
  api: Api;
  sessions: string[];
  runs: string[];
  message: string;
  key: string;
  service: string;
  user: string;
  login: string;
}

/** What a request may name of somebody's. */
type Names = Record<
  'SESSION' | 'RUN' | 'EVENT' | 'MESSAGE' | 'CALL' | 'KEY' | 'SERVICE' | 'USER' | 'LOGIN',
  string
>;

const ID = '01h455vb4pex5vsknk084sn02q';
/** Ids as they look, of nothing. */
const NOTHING: Names = {
  SESSION: `ses_${ID}`,
  RUN: `run_${ID}`,
  EVENT: `run_${ID}.1.3`,
  MESSAGE: `msg_${ID}`,
  CALL: 'toolu_1',
  KEY: `key_${ID}`,
  SERVICE: `usr_${ID}`,
  USER: `usr_${ID}`,
  LOGIN: 'f'.repeat(64),
};

/** Every route that names something; a route with a name in its path that is not here fails the first test. */
const ROUTES: [method: string, path: string, body?: object][] = [
  ['GET', '/api/agent/sessions/SESSION'],
  ['PATCH', '/api/agent/sessions/SESSION', { title: 'x' }],
  ['GET', '/api/agent/sessions/SESSION/messages'],
  ['POST', '/api/agent/sessions/SESSION/messages', { content: 'x' }],
  ['GET', '/api/agent/sessions/SESSION/runs'],
  ['POST', '/api/agent/sessions/SESSION/fork', { message_id: 'MESSAGE' }],
  ['POST', '/api/agent/sessions/SESSION/compact', {}],
  ['GET', '/api/agent/sessions/SESSION/shares'],
  ['PUT', '/api/agent/sessions/SESSION/shares', { with: 'tenant' }],
  ['GET', '/api/agent/runs/RUN'],
  ['GET', '/api/agent/runs/RUN/sub_agents'],
  ['GET', '/api/agent/runs/RUN/diff'],
  ['POST', '/api/agent/runs/RUN/revert', {}],
  ['POST', '/api/agent/runs/RUN/cancel', {}],
  ['POST', '/api/agent/runs/RUN/tool_calls/CALL/decision', { decision: 'approve' }],
  ['GET', '/api/agent/stream?session_id=SESSION'],
  ['GET', '/api/agent/stream?session_id=SESSION&run_id=RUN'],
  ['GET', '/api/agent/stream?session_id=SESSION&follow=true'],
  ['GET', '/api/agent/stream?session_id=SESSION&last_event_id=EVENT'],
  ['GET', '/api/agent/stream?session_id=OWN&run_id=RUN'],
  ['POST', '/api/agent/stream', { session_id: 'SESSION', content: 'x' }],
  ['POST', '/api/agent/stream?last_event_id=EVENT', { content: 'x' }],
  ['POST', '/api/agent/stream?last_event_id=EVENT', { session_id: 'SESSION', content: 'x' }],
  ['POST', '/api/auth/tickets', { session_id: 'SESSION' }],
  ['DELETE', '/api/auth/keys/KEY'],
  ['DELETE', '/api/auth/logins/LOGIN'],
  ['DELETE', '/api/admin/keys/KEY'],
  ['GET', '/api/admin/users/USER'],
  ['PATCH', '/api/admin/users/USER', { disabled: true }],
  ['DELETE', '/api/admin/users/USER/sessions'],
  ['POST', '/api/admin/service_accounts/SERVICE/keys', { name: 'x' }],
  ['DELETE', '/api/admin/service_accounts/SERVICE'],
  ['POST', '/api/formats/ai-sdk/chat/SESSION/stop', {}],
  ['GET', '/api/formats/ai-sdk/chat/SESSION/stream'],
  ['DELETE', '/api/agent/sessions/SESSION'],
];

/** `useChat` asks for what is to be resumed, and takes this for nothing. */
const NOTHING_TO_RESUME = '/api/formats/ai-sdk/chat/SESSION/stream';

/** The same for messages of a socket. */
const MESSAGES: [event: string, data: object][] = [
  ['subscribe', { session_id: 'SESSION' }],
  ['subscribe', { session_id: 'SESSION', follow: true }],
  ['subscribe', { run_id: 'RUN' }],
  ['subscribe', { run_id: 'RUN', last_event_id: 'EVENT' }],
  ['unsubscribe', { session_id: 'SESSION' }],
  ['unsubscribe', { run_id: 'RUN' }],
  ['start', { session_id: 'SESSION', content: 'x' }],
  ['cancel', { run_id: 'RUN' }],
  ['decide', { run_id: 'RUN', tool_call_id: 'CALL', decision: 'approve' }],
];

let upstream: FakeUpstream;
let app: RunningApp;
let tokens = 0;
/** Ada's are the ids that the others use: Amy of her tenant, and Gil, an administrator of another. */
let ada: Party;
let amy: Party;
let gil: Party;

/** Says the mark of who asked, again and again. */
function answer(call: UpstreamCall): Reply {
  const mark = /[A-Z]+-MARK/.exec(JSON.stringify(call.body.messages.at(-1)))?.[0] ?? 'nobody';
  if (JSON.stringify(call.body).includes('short')) return { sse: textReply([`${mark} said.`]) };
  const texts = Array.from({ length: tokens }, (_, n) => `${mark} ${n} `);
  return { sse: [messageStart(), ...textBlock(0, texts), ...ending()] };
}

function ending(): string[] {
  return [
    wireEvent('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } }),
    wireEvent('message_stop'),
  ];
}

async function party(name: string, tenant: string, mark: string, roles: string[]): Promise<Party> {
  const api = await Api.as(app.url, name, { tenant_id: tenant, roles });
  const sessions = await Promise.all(
    Array.from({ length: RUNS }, () =>
      api.createSession({ title: mark, system: `Of ${mark}`, metadata: { mark } }),
    ),
  );
  const made = async (path: string, body: object): Promise<string> => {
    const response = await api.call<{ id?: string; user?: { id: string } }>('POST', path, body);
    return roles.includes('admin') ? String(expectStatus(response, 201).body.id) : '';
  };
  const account = { email: `${mark.toLowerCase()}@example.com`, password: `the password of ${mark}` };
  const user = await made('/api/admin/users', account);
  const login = user === '' ? '' : await loginOf(account);
  const service = await made('/api/admin/service_accounts', { name: mark });
  const key = await made(`/api/admin/service_accounts/${service}/keys`, { name: mark });
  return { name, mark, api, sessions, runs: [], message: '', user, service, key, login };
}

async function loginOf({ email, password }: { email: string; password: string }): Promise<string> {
  const cookie = await signIn(app.url, email, password);
  const path = `${app.url}/api/auth/logins`;
  const { body } = await send<{ data: { id: string }[] }>('GET', path, undefined, { cookie });
  return body.data[0]!.id;
}

const namesOf = ({ sessions, runs, message, key, service, user, login }: Party): Names => ({
  SESSION: sessions[0]!,
  RUN: runs[0]!,
  EVENT: `${runs[0]}.1.3`,
  MESSAGE: message,
  CALL: 'toolu_1',
  KEY: key,
  SERVICE: service,
  USER: user,
  LOGIN: login,
});

function named<T>(template: T, names: Names, by: Party): T {
  const text = Object.entries(names).reduce(
    (all, [name, id]) => all.replaceAll(name, id),
    JSON.stringify(template),
  );
  return JSON.parse(text.replaceAll('OWN', by.sessions[0]!)) as T;
}

/** All that an answer says, but for the id that each request has, and its time. */
function said({ status, headers, text }: Answer): string {
  const names = [...headers]
    .filter(([name]) => !/^(date|x-request-id|ratelimit.*|x-ratelimit.*)$/.test(name))
    .map(([name, value]) => `${name}: ${value}`);
  return [status, ...names, text.replace(/"request_id":"[^"]*"/, '')].join('\n');
}

function ask(by: Party, [method, path, body]: (typeof ROUTES)[number], names: Names): Promise<Answer> {
  return by.api.call(method, named(path, names, by), body && named(body, names, by));
}

/** What a stream said; when to come back is told to each viewer by chance. */
const blocks = ({ blocks: all }: SseStream) => all.map(({ event, id, data }) => ({ event, id, data }));

/** A route, whatever it names. */
const shape = (path: string) => path.replace(/\?.*/, '').replace(/(?<=\/)(\{\w+\}|[A-Z]+)(?=\/|$)/g, '{}');

/** Fails with any byte of another's. */
function expectNoMark(text: string, by: Party): void {
  const others = [ada, amy, gil].filter((each) => each !== by).map(({ mark }) => mark);
  const found = others.filter((mark) => text.toUpperCase().includes(mark));
  expect(found).toEqual([]);
}

export function describeTenants(story: TenantsStory): void {
  beforeAll(async () => {
    ({ tokens } = story);
    upstream = await FakeUpstream.start(answer);
    app = await story.start(upstreamEnv(upstream.url));
    ada = await party('ada', 'acme', 'ALPHA-MARK', ['admin']);
    amy = await party('amy', 'acme', 'AMBER-MARK', ['member']);
    gil = await party('gil', 'globex', 'GAMMA-MARK', ['admin']);
  });

  afterAll(async () => {
    await app?.stop();
    await upstream?.stop();
  });

  describe('two tenants', () => {
    it('see their own of many events that come at once, and nothing else', async () => {
      const started = performance.now();
      const all = [ada, amy, gil].map(async (each) => {
        const socket = await each.api.socket();
        const seen = await Promise.all(
          each.sessions.map(async (session) => {
            expect((await socket.ask('subscribe', { session_id: session, follow: true })).event).toBe('ack');
            const run = await each.api.post(session, `From ${each.mark}`);
            each.runs.push(run.id);
            return each.api.read({ session_id: session, run_id: run.id });
          }),
        );
        each.runs = await Promise.all(
          each.sessions.map(async (session) => (await each.api.runsOf(session))[0]!.id),
        );
        for (const run of each.runs)
          await socket.nextWhere(({ event, id }) => event === 'done' && id?.startsWith(run) === true);
        await socket.close();
        expectNoMark(JSON.stringify(socket.frames), each);
        for (const [index, { events }] of seen.entries()) {
          expect(faultsOf(events)).toEqual([]);
          expectNoMark(JSON.stringify(events), each);
          const own = socket.events.filter(({ id }) => id.startsWith(each.runs[index]!));
          expect(own).toEqual(events);
        }
        return seen.flatMap(({ events }) => events).length;
      });
      const counts = await Promise.all(all);
      const events = counts.reduce((sum, count) => sum + count, 0);
      process.stdout.write(
        `${events} events of 2 tenants in ${Math.round(performance.now() - started)} ms\n`,
      );
      expect(events).toBeGreaterThan(3 * RUNS * tokens);
      for (const each of [ada, amy, gil]) {
        const path = `/api/agent/sessions/${each.sessions[0]}/messages`;
        const answer = await each.api.call<{ data: { id: string }[] }>('GET', path);
        expectNoMark(answer.text, each);
        each.message = answer.body.data[0]!.id;
      }
    });

    it('are asked on every route that there is', async () => {
      const document = await ada.api.call<{ paths: Record<string, object> }>('GET', '/api/openapi.json');
      const routes = Object.entries(document.body.paths)
        .filter(([path]) => path.includes('{'))
        .flatMap(([path, methods]) =>
          Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
        );
      const known = new Set(ROUTES.map(([method, path]) => `${method} ${shape(path)}`));
      expect(routes.filter((route) => !known.has(shape(route)))).toEqual([]);
      expect(routes.length).toBeGreaterThan(20);
    });

    it.each(ROUTES.map((route) => [route[0], route[1], route] as const))(
      'hear of what is another’s like of nothing: %s %s',
      async (_method, _path, route) => {
        for (const stranger of [gil, amy]) {
          const isAlsoHers = stranger === amy && route[1].includes('/api/admin/');
          const missing = await ask(stranger, route, NOTHING);
          const foreign = await ask(stranger, route, namesOf(ada));
          const expected = route[1] === NOTHING_TO_RESUME ? 204 : isAlsoHers ? 403 : 404;
          expect([stranger.name, foreign.status]).toEqual([stranger.name, expected]);
          expect(said(foreign)).toBe(said(missing));
          expectNoMark(foreign.text, stranger);
        }
      },
    );

    it.each(MESSAGES)('hear of what is another’s like of nothing on a socket: %s %j', async (event, data) => {
      for (const stranger of [gil, amy]) {
        const answers = [];
        for (const names of [NOTHING, namesOf(ada)]) {
          const socket = await stranger.api.socket();
          const { ref: _ref, ...frame } = await socket.ask(event, named(data, names, stranger));
          await socket.ask('ping', {});
          expect(socket.events).toEqual([]);
          answers.push(frame);
          await socket.close();
        }
        expect(answers[1]).toEqual(answers[0]);
        expect(answers[1]!.event).toBe(event === 'unsubscribe' ? 'ack' : 'rejected');
      }
    });

    it('have changed nothing of it, and read no more than their own in every list', async () => {
      for (const [index, run] of ada.runs.entries()) {
        expect(await ada.api.run(run)).toMatchObject({
          status: 'completed',
          session_id: ada.sessions[index],
        });
        expect(await ada.api.runsOf(ada.sessions[index]!)).toHaveLength(1);
      }
      expectStatus(await ada.api.call('GET', `/api/admin/users/${ada.user}`), 200);
      const lists = [
        '/api/agent/sessions',
        '/api/agent/sessions?shared=true',
        `/api/agent/sessions?cursor=${ada.sessions.at(-1)}`,
        '/api/agent/usage',
        '/api/auth/keys',
        '/api/auth/logins',
        '/api/auth/me',
      ];
      const administered = [
        '/api/admin/users',
        '/api/admin/keys',
        '/api/admin/service_accounts',
        '/api/admin/audit',
      ];
      for (const path of lists) {
        for (const each of [ada, amy, gil]) expectNoMark((await each.api.call('GET', path)).text, each);
      }
      for (const path of administered) {
        const answer = expectStatus(await gil.api.call('GET', path), 200);
        expectNoMark(answer.text, gil);
        // The audit tells what Gil himself has asked for.
        if (path.endsWith('audit')) continue;
        for (const id of [ada.user, ada.key, ada.service, ...ada.sessions, ...ada.runs])
          expect(answer.text).not.toContain(id);
      }
    });

    it('cannot go on from an event of another’s: it is a cursor that nobody knows', async () => {
      for (const stranger of [gil, amy]) {
        for (const path of ['last_event_id', 'header'] as const) {
          const read = (cursor: string) =>
            path === 'header'
              ? stranger.api.read({ session_id: stranger.sessions[0]! }, { lastEventId: cursor })
              : stranger.api.read({ session_id: stranger.sessions[0]!, last_event_id: cursor });
          const [foreign, missing] = [await read(namesOf(ada).EVENT), await read(NOTHING.EVENT)];
          expect(blocks(foreign)).toEqual(blocks(missing));
          expect(foreign.blocks[0]).toMatchObject({ event: 'reset', id: undefined });
          expectNoMark(JSON.stringify(foreign.blocks), stranger);
        }
        const socket = await stranger.api.socket();
        const ask = { session_id: stranger.sessions[0], last_event_id: namesOf(ada).EVENT };
        expect((await socket.ask('subscribe', ask)).event).toBe('ack');
        await socket.nextWhere(({ event }) => event === 'done');
        expect(socket.frames.find(({ event }) => event === 'reset')?.data).toMatchObject({ after: null });
        expectNoMark(JSON.stringify(socket.frames), stranger);
        await socket.close();
        const fork = (message: string) =>
          stranger.api.call('POST', `/api/agent/sessions/${stranger.sessions[0]}/fork`, {
            message_id: message,
          });
        expect(said(await fork(ada.message))).toBe(said(await fork(NOTHING.MESSAGE)));
      }
    });

    it('have keys and tickets of their own', async () => {
      const idempotency = { 'idempotency-key': 'one-for-all' };
      const runs = new Map<string, string>();
      for (const each of [ada, amy, gil]) {
        const answer = await each.api.call<{ run: { id: string } }>(
          'POST',
          `/api/agent/sessions/${each.sessions[1]}/messages`,
          { content: `${each.mark} short` },
          idempotency,
        );
        runs.set(each.name, expectStatus(answer, 202).body.run.id);
        expectNoMark(answer.text, each);
        await each.api.settled(runs.get(each.name)!);
      }
      expect(new Set(runs.values()).size).toBe(3);
      for (const stranger of [gil, amy]) {
        for (const session of [ada.sessions[0]!, NOTHING.SESSION]) {
          const ticket = await stranger.api.call('POST', '/api/auth/tickets', {
            session_id: stranger.sessions[0],
          });
          const query = new URLSearchParams({ session_id: session, ticket: String(ticket.body['ticket']) });
          expect((await readSse(`${app.url}/api/agent/stream?${query.toString()}`)).status).toBe(401);
        }
      }
    });

    if (story.times === 0) return;
    it('wait for the answer about what is another’s as long as for that about nothing', async () => {
      const asked: (typeof ROUTES)[number][] = [
        ['GET', '/api/agent/sessions/SESSION'],
        ['GET', '/api/agent/sessions/SESSION/messages'],
        ['GET', '/api/agent/runs/RUN'],
        ['GET', '/api/agent/stream?session_id=SESSION'],
        ['POST', '/api/agent/runs/RUN/cancel', {}],
      ];
      const lines: string[] = [];
      for (const stranger of [gil, amy]) {
        for (const route of asked) {
          const ratio = await ratioOf(
            () => ask(stranger, route, namesOf(ada)),
            () => ask(stranger, route, NOTHING),
            story.times,
          );
          lines.push(`${stranger.name} ${route[0]} ${route[1]}: ${ratio.toFixed(2)}`);
          expect(ratio).toBeGreaterThan(1 / 3);
          expect(ratio).toBeLessThan(3);
        }
      }
      process.stdout.write(`time for what is another's by that for nothing: ${lines.join(', ')}\n`);
    });
  });
}

/** Of the medians of two questions, asked in turns. */
async function ratioOf(
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
  rounds: number,
): Promise<number> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const start = performance.now();
      await [one, other][index]!();
      times[index].push(performance.now() - start);
    }
  }
  const [a, b] = times.map((list) => list.toSorted((x, y) => x - y)[Math.floor(rounds / 2)]!);
  return a! / b!;
}
