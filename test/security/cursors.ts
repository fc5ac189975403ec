import { beforeAll, describe, expect, it } from '@jest/globals';
import { readSse, type SseStream } from '../support/sse-client.js';
import { NOBODYS_RUN, stage } from './stage.js';

/** How a viewer of ada's session, whose run is over, is answered: by its first block and the list after it. */
function shape(stream: SseStream): string {
  const [first] = stream.blocks;
  const isReset = first?.event === 'reset' && first.id === undefined;
  const data = isReset ? (JSON.parse(first.data) as { after: unknown }).after : undefined;
  const ids = stream.events.map(({ id }) => id).filter((id) => id !== undefined);
  const isWhole = ids[0] === `${stage.run.id}.1.1` && stream.events.at(-1)?.event === 'done';
  const foreign = ids.filter((id) => !id.startsWith(`${stage.run.id}.`));
  return `${stream.status} ${isReset ? `reset after ${String(data)}, ` : ''}${isWhole ? 'the whole run' : `from ${ids[0]?.split('.')[2]}`}${foreign.length > 0 ? ', and more' : ''}`;
}

const RESET = '200 reset after null, the whole run';
type CursorRow = readonly [row: string, words: string, cursor: () => string, expected: string];
const place = (attempt: unknown, seq: unknown) => () => `${stage.run.id}.${String(attempt)}.${String(seq)}`;

const CURSORS: CursorRow[] = [
  ['B18', 'that is empty', () => '', '200 the whole run'],
  ['B19', 'in the future', place(1, 999), RESET],
  ['B19', 'of a later attempt', place(2, 1), RESET],
  ['B19', 'of attempt 0', place(0, 1), RESET],
  ['B20', 'of a run that is not kept', () => `${NOBODYS_RUN}.1.1`, RESET],
  ['B21', 'of another run', () => `${NOBODYS_RUN}.1.3`, RESET],
  ...[
    '-1',
    '1e9',
    '0x10',
    '9007199254740993',
    ' 5',
    '5.0',
    'NaN',
    '0',
    '01',
    '+1',
    '1 ',
    '１',
    '2147483648',
    '1\t',
    '',
    'null',
    '1,1',
    "1' OR '1'='1",
  ].map((seq): CursorRow => ['B22', `whose seq is ${JSON.stringify(seq)}`, place(1, seq), RESET]),
  ['B22', 'whose run is in upper case', () => `${stage.run.id.toUpperCase()}.1.1`, RESET],
  ['B22', 'of the session', () => `${stage.session}.1.1`, RESET],
  ['B22', 'without attempt', () => `${stage.run.id}.1`, RESET],
  ['B22', 'with more behind it', () => `${stage.run.id}.1.1.1`, RESET],
  ['B22', 'of 8 KB', () => `${stage.run.id}.1.${'1'.repeat(8_000)}`, RESET],
  ['B22', 'that is a number alone', () => '1', RESET],
  ['B23', 'in UTF-8', () => Buffer.from(`${'ü'.repeat(3)}.1.1`).toString('latin1'), RESET],
  ['B22', 'that is right', place(1, 2), '200 from 3'],
];

export function cursors(): void {
  describe('a cursor', () => {
    let eventsOfRun: number;

    beforeAll(async () => {
      eventsOfRun = (await stage.stream({})).events.length;
    });

    it.each(CURSORS.filter(([, words]) => !words.includes('１')))(
      '%s %s is honoured or answered with reset, in the header',
      async (_row, _words, cursor, expected) => {
        const stream = await stage.stream({}, cursor());
        // The blanks around a header's value are not its.
        if (cursor().trim() === cursor()) expect(shape(stream)).toBe(expected);
        else expect(stream.status).toBe(200);
      },
    );

    it.each(CURSORS)(
      '%s %s is honoured or answered with reset, in the query',
      async (_row, _words, cursor, expected) => {
        const stream = await stage.stream({ last_event_id: cursor() });
        expect(shape(stream)).toBe(expected);
      },
    );

    it('B24 in the header wins over one in the query', async () => {
      const seq = eventsOfRun - 1;
      const stream = await stage.stream({ last_event_id: `${stage.run.id}.1.1` }, `${stage.run.id}.1.${seq}`);
      expect(stream.events.map(({ event }) => event)).toEqual(['done']);
      expect(shape(await stage.stream({ last_event_id: `${stage.run.id}.1.1` }, 'none'))).toBe(RESET);
    });

    it('B24 said twice is none of any event', async () => {
      const cursor = `${stage.run.id}.1.1`;
      const query = `session_id=${stage.session}&last_event_id=${cursor}&last_event_id=${cursor}`;
      const stream = await readSse(`${stage.url}/api/agent/stream?${query}`, {
        headers: stage.ada.authorization,
      });
      expect(shape(stream)).toBe(RESET);
    });

    it('B18 to B24 of POST stream starts nothing', async () => {
      for (const cursor of [`${stage.run.id}.1.1`, 'none', `${NOBODYS_RUN}.1.1`]) {
        const before = await stage.everything();
        const stream = await readSse(`${stage.url}/api/agent/stream`, {
          body: { session_id: stage.session, content: 'x' },
          headers: stage.ada.authorization,
          lastEventId: cursor,
        });
        expect(stream.status).toBe(200);
        expect(await stage.everything()).toBe(before);
      }
    });

    it('of a socket is honoured or answered with reset', async () => {
      const socket = await stage.ada.socket();
      for (const [, , cursor, expected] of CURSORS.slice(1)) {
        const from = socket.frames.length;
        await socket.ask('subscribe', { run_id: stage.run.id, last_event_id: cursor() });
        await socket.nextWhere((frame) => socket.frames.indexOf(frame) > from && frame.event === 'done');
        const [, first] = socket.frames.slice(from);
        expect(first?.event === 'reset').toBe(expected === RESET);
      }
      await socket.close();
    });
  });
}
