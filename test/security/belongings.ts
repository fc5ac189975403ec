import { beforeAll, describe, expect, it } from '@jest/globals';
import { type Api, type RunBody } from '../support/api.js';
import { textOf } from '../support/event-list.js';
import { readSse } from '../support/sse-client.js';
import {
  bearer,
  cheap,
  NOBODYS_RUN,
  NOBODYS_SESSION,
  refusal,
  type Row,
  stage,
  withoutIds,
} from './stage.js';

/** Every route that names a session or a run. */
const CALLS: [method: string, path: string, body?: string][] = [
  ['GET', '/api/agent/stream?session_id=SESSION'],
  ['GET', '/api/agent/stream?session_id=SESSION&run_id=RUN'],
  ['GET', '/api/agent/stream?session_id=SESSION&last_event_id=RUN.1.1&follow=true'],
  ['POST', '/api/agent/stream', '{"session_id":"SESSION","content":"x"}'],
  ['GET', '/api/agent/sessions/SESSION'],
  ['PATCH', '/api/agent/sessions/SESSION', '{"title":"x"}'],
  ['DELETE', '/api/agent/sessions/SESSION'],
  ['GET', '/api/agent/sessions/SESSION/messages'],
  ['POST', '/api/agent/sessions/SESSION/messages', '{"content":"x"}'],
  ['POST', '/api/agent/sessions/SESSION/fork', '{}'],
  ['GET', '/api/agent/sessions/SESSION/runs'],
  ['GET', '/api/agent/runs/RUN'],
  ['GET', '/api/agent/runs/RUN/sub_agents'],
  ['GET', '/api/agent/runs/RUN/changes'],
  ['POST', '/api/agent/runs/RUN/cancel'],
  ['POST', '/api/agent/runs/RUN/tool_calls/toolu_1/decision', '{"decision":"approve"}'],
  ['POST', '/api/auth/tickets', '{"session_id":"SESSION"}'],
];

async function ask(
  who: Api,
  [method, path, body = '']: (typeof CALLS)[number],
  session: string,
  run: string,
) {
  const named = (text: string) => text.replace('SESSION', session).replace('RUN', run);
  const type = body === '' ? [] : ['Content-Type: application/json'];
  return stage.raw(`${method} ${named(path)}`, [bearer(who), ...type], named(body));
}

const FIELDS = [
  'tenant_id',
  'user_id',
  'owner_id',
  'role',
  'roles',
  'approved',
  'id',
  'created_at',
  'status',
];
const BODIES: [string, string][] = [
  ['POST', '/api/agent/sessions'],
  ['PATCH', '/api/agent/sessions/SESSION'],
  ['POST', '/api/agent/sessions/SESSION/messages'],
  ['POST', '/api/agent/sessions/SESSION/fork'],
  ['POST', '/api/agent/stream'],
  ['POST', '/api/agent/runs/RUN/cancel'],
  ['POST', '/api/agent/runs/RUN/tool_calls/toolu_1/decision'],
  ['POST', '/api/auth/tickets'],
];
const RIGHT: Record<string, unknown> = {
  '/api/agent/sessions/SESSION/messages': { content: 'x' },
  '/api/agent/stream': { content: 'x' },
  '/api/agent/runs/RUN/tool_calls/toolu_1/decision': { decision: 'approve' },
  '/api/auth/tickets': { session_id: NOBODYS_SESSION },
};
const ASSIGNED: Row[] = BODIES.flatMap(([method, path]) =>
  FIELDS.map((field): Row => [
    'S28',
    `${field} in the body of ${method} ${path}`,
    async () => {
      const own = path.replace('SESSION', stage.session).replace('RUN', stage.run.id);
      const body = JSON.stringify({ ...(RIGHT[path] as object), [field]: true });
      const answer = await stage.raw(
        `${method} ${own}`,
        [bearer(stage.ada), 'Content-Type: application/json'],
        body,
      );
      expect(JSON.parse(answer.body)).toMatchObject({ errors: [{ path: field, message: 'unknown field' }] });
      return refusal(answer);
    },
    '400 invalid_request',
  ]),
);

export function belongings(): void {
  describe('what belongs to somebody else', () => {
    let others: Api[];

    beforeAll(async () => {
      others = [stage.eve, await stage.user('ada', { tenant_id: 'tenant-2' })];
    });

    it.each(CALLS.map((call) => [call[0], call[1], call] as const))(
      'S24, S25, S27 %s %s answers as for what does not exist',
      async (_method, _path, call) => {
        const before = await stage.everything();
        const nothing = await ask(stage.ada, call, NOBODYS_SESSION, NOBODYS_RUN);
        expect(refusal(nothing)).toBe('404 not_found');
        for (const other of others) {
          const foreign = await cheap(() => ask(other, call, stage.session, stage.run.id));
          expect(refusal(foreign)).toBe('404 not_found');
          expect(withoutIds(foreign.body)).toBe(withoutIds(nothing.body));
          expect(Object.keys(foreign.headers)).toEqual(Object.keys(nothing.headers));
        }
        expect(await stage.everything()).toBe(before);
      },
    );

    it('S24 to S27 is refused on a socket with the words for what does not exist', async () => {
      for (const other of others) {
        const socket = await other.socket();
        for (const [event, own, nobodys] of [
          ['subscribe', { session_id: stage.session }, { session_id: NOBODYS_SESSION }],
          ['subscribe', { run_id: stage.run.id }, { run_id: NOBODYS_RUN }],
          [
            'start',
            { session_id: stage.session, content: 'x' },
            { session_id: NOBODYS_SESSION, content: 'x' },
          ],
          ['cancel', { run_id: stage.run.id }, { run_id: NOBODYS_RUN }],
          [
            'decide',
            { run_id: stage.run.id, tool_call_id: 'toolu_1', decision: 'approve' },
            { run_id: NOBODYS_RUN, tool_call_id: 'toolu_1', decision: 'approve' },
          ],
        ] as const) {
          const [foreign, nothing] = [await socket.ask(event, own), await socket.ask(event, nobodys)];
          expect(foreign).toMatchObject({ event: 'rejected', data: { code: 'not_found' } });
          expect(foreign.data).toEqual(nothing.data);
        }
        expect(socket.events).toEqual([]);
        await socket.close();
      }
    });

    it("S26 a cursor of another's run is answered with the own run from its start", async () => {
      const own = await stage.eve.createSession();
      const run = await stage.eve.post(own, 'of eve');
      await stage.eve.settled(run.id);
      const cursor = `${stage.run.id}.1.2`;
      for (const stream of [
        await readSse(stage.eve.streamUrl({ session_id: own }), {
          headers: stage.eve.authorization,
          lastEventId: cursor,
        }),
        await readSse(stage.eve.streamUrl({ session_id: own, last_event_id: cursor }), {
          headers: stage.eve.authorization,
        }),
      ]) {
        expect(stream.status).toBe(200);
        expect(stream.blocks[0]).toMatchObject({ event: 'reset', id: undefined });
        expect(stream.events.map(({ id }) => id.split('.')[0])).toEqual(stream.events.map(() => run.id));
        expect([stream.events[0]?.id, textOf(stream.events)]).toEqual([`${run.id}.1.1`, 'ok']);
      }
    });

    it.each(ASSIGNED)('%s %s is named and refused', async (_row, _words, ask, expected) => {
      expect(await ask()).toBe(expected);
    });

    it('S28 leaves what is stored as it was', async () => {
      expect(await stage.ada.run(stage.run.id)).toEqual({
        ...stage.run,
        ...(await stage.ada.run(stage.run.id)),
      });
      expect((await stage.ada.call('GET', `/api/agent/sessions/${stage.session}`)).body).toMatchObject({
        id: stage.session,
        title: 'of ada',
      });
    });

    it('S30 one Idempotency-Key of two users and of two tenants is two of each', async () => {
      const runs = await Promise.all(
        [stage.ada, ...others].map(async (who) => {
          const path = `/api/agent/sessions/${await who.createSession()}/messages`;
          const answer = await stage.post(path, { content: 'x' }, [bearer(who), 'Idempotency-Key: the same']);
          expect(answer.status).toBe(202);
          return (JSON.parse(answer.body) as { run: RunBody }).run.id;
        }),
      );
      expect(new Set(runs).size).toBe(3);
    });
  });
}
