import { describe, expect, it } from '@jest/globals';
import { frame, RawSocket } from '../support/wire/raw-socket.js';
import { within } from '../support/until.js';
import { bearer, stage } from './stage.js';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const message = (event: string, data: unknown = {}) => JSON.stringify({ event, data });
const closeWith = (code: number) => frame(CLOSE, Buffer.from([code >> 8, code & 0xff]));
const many = (count: number, bytes: Buffer) => Array<Buffer>(count).fill(bytes);

const FRAMES: [row: string, words: string, bytes: () => Buffer[], code: number][] = [
  ['B38', 'without a mask', () => [frame(TEXT, message('ping'), { masked: false })], 1002],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): (typeof FRAMES)[number] => [
    'B39',
    `of the opcode ${opcode}`,
    () => [frame(opcode)],
    1002,
  ]),
  ['B39', 'with a reserved bit', () => [frame(TEXT, '{}', { rsv: 2 })], 1002],
  ['B39', 'with the bit of a compression that was not agreed', () => [frame(TEXT, '{}', { rsv: 4 })], 1002],
  ['B39', 'that goes on with nothing', () => [frame(0, 'x')], 1002],
  [
    'B39',
    'that begins in the middle of another',
    () => [frame(TEXT, '{', { fin: false }), frame(TEXT, '}')],
    1002,
  ],
  ['B40', 'that is no UTF-8', () => [frame(TEXT, Buffer.from([0xc3, 0x28]))], 1007],
  ['B40', 'with half a surrogate pair in UTF-8', () => [frame(TEXT, Buffer.from([0xed, 0xa0, 0x80]))], 1007],
  ['B40', 'with an overlong slash', () => [frame(TEXT, Buffer.from([0xc0, 0xaf]))], 1007],
  ['B41', 'that says 2 GiB', () => [frame(TEXT, '', { says: 2 ** 31 })], 1009],
  ['B41', 'that says more than a number holds', () => [frame(TEXT, '', { says: 2 ** 62 })], 1009],
  ['B42', 'of a ping of 126 bytes', () => [frame(PING, 'x'.repeat(126))], 1002],
  ['B42', 'of a ping in pieces', () => [frame(PING, 'x', { fin: false })], 1002],
  ...[999, 1004, 1005, 1006, 1015, 0, 5000].map((code): (typeof FRAMES)[number] => [
    'B43',
    `of a goodbye with ${code}`,
    () => [closeWith(code)],
    1002,
  ]),
  ['B43', 'of a goodbye of one byte', () => [frame(CLOSE, Buffer.from([3]))], 1002],
  [
    'B43',
    'of a goodbye whose reason is no UTF-8',
    () => [frame(CLOSE, Buffer.from([3, 232, 0xc3, 0x28]))],
    1007,
  ],
  [
    'B44',
    'in 130,000 pieces',
    () => [frame(TEXT, '{', { fin: false }), ...many(130_000, frame(0, 'x', { fin: false }))],
    1008,
  ],
  ['S34', 'of 65,537 bytes', () => [frame(TEXT, 'x'.repeat(65_537))], 1009],
  [
    'S34',
    'of 65,537 bytes in two pieces',
    () => [frame(TEXT, 'x'.repeat(40_000), { fin: false }), frame(0, 'x'.repeat(25_537))],
    1009,
  ],
  ['B47', 'in binary', () => [frame(BINARY, message('ping'))], 1003],
  ['B48', 'of events that nobody knows, twenty of them', () => many(20, frame(TEXT, message('shout'))), 1008],
  ['B48', 'of no JSON, twenty of them', () => many(20, frame(TEXT, '{')), 1008],
  [
    'B48',
    'of events named like methods, twenty of them',
    () =>
      ['__proto__', 'constructor', 'toString', 'hasOwnProperty'].flatMap((event) =>
        many(5, frame(TEXT, message(event))),
      ),
    1008,
  ],
  ['S33', 'of 101 messages', () => many(101, frame(TEXT, message('ping'))), 1008],
  [
    'B50',
    'of 1,000 subscriptions',
    () => many(1_000, frame(TEXT, message('subscribe', { session_id: stage.session }))),
    1008,
  ],
  ['B51', 'of 10,000 ping messages', () => many(10_000, frame(TEXT, message('ping'))), 1008],
  ['B51', 'of 10,000 ping frames', () => many(10_000, frame(PING)), 1008],
];

const REJECTED: [row: string, words: string, text: string][] = [
  ['B48', 'of an unknown event', message('shout')],
  ['B48', 'that is no JSON', '{"event":'],
  ['B48', 'that is no object', '[]'],
  ['B48', 'that is null', 'null'],
  ['B48', 'of nothing', ''],
  ['B48', 'of 60 KB of brackets', '['.repeat(60_000)],
  [
    'B48',
    'of 30,000 lists in each other',
    `{"event":"ping","data":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
  ],
  [
    'B48',
    'that starts with 10,000 objects in each other',
    `{"event":"start","data":{"content":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}}`,
  ],
  ['B48', 'without an event', '{"data":{}}'],
  ['B48', 'whose event is a list', '{"event":["ping"],"data":{}}'],
  ['B48', 'whose event is a prototype', '{"event":"__proto__","data":{}}'],
  ['B48', 'with an unknown field beside', '{"event":"ping","data":{},"token":"x"}'],
  ['B48', 'with an unknown field inside', message('ping', { x: 1 })],
  ['B48', 'with a prototype inside', '{"event":"ping","data":{"__proto__":{"admin":true}}}'],
  ['B48', 'whose ref is an object', '{"event":"ping","data":{},"ref":{}}'],
  ['B48', 'with NUL in what is said', message('start', { content: 'a\0b' })],
  ['B48', 'with half a surrogate pair in what is said', '{"event":"start","data":{"content":"\\ud800"}}'],
  ['B49', 'of an auth event', message('auth', { token: 'x' })],
  ['B49', 'with a token', message('token', { access_token: 'x' })],
  ['B49', 'that subscribes with a principal', message('subscribe', { session_id: 'x', user_id: 'eve' })],
];

/** What is heard from the frame on, in order. */
async function gauge(): Promise<number> {
  const { body } = await stage.get('/metrics', ['Authorization: Bearer the-token-of-the-collector']);
  return Number(/agentline_streams_open\{transport="websocket"\} (\d+)/.exec(body)?.[1]);
}

export function sockets(): void {
  describe('a frame', () => {
    it.each(FRAMES.map(([row, words, bytes, code]) => [row, words, code, bytes] as const))(
      '%s %s ends the socket with %d',
      async (_row, _words, code, bytes) => {
        const socket = await RawSocket.open(stage.url, [bearer(stage.ada)]);
        socket.send(bytes());
        expect(await socket.closeCode()).toBe(code);
        expect(
          socket.texts.filter(
            (text) => !/^\{"event":"(rejected|ack)"/.test(text) && !/^\{"event":"\w+","id"/.test(text),
          ),
        ).toEqual([]);
      },
    );

    it('that was refused leaves no socket open, and shows nobody else anything', async () => {
      const deadline = Date.now() + 10_000;
      while ((await gauge()) > 0 && Date.now() < deadline) await new Promise(setImmediate);
      expect(await gauge()).toBe(0);
    });
  });

  describe('a message', () => {
    it.each(REJECTED)('%s %s is rejected, and the socket stays of use', async (_row, _words, text) => {
      const socket = await stage.ada.socket();
      socket.sendRaw(text);
      const rejected = await socket.nextWhere(({ event }) => event === 'rejected');
      expect(rejected.data).toMatchObject({ code: 'invalid_request', error: expect.any(String) });
      expect(JSON.stringify(rejected)).not.toMatch(/\bat \S+ \(|node_modules|\.[jt]s:\d/);
      expect((await socket.ask('ping', {})).event).toBe('ack');
      expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
      socket.socket.terminate();
    });

    it("B49 with somebody else's token changes nobody's principal", async () => {
      const socket = await stage.eve.socket();
      const token = stage.ada.token;
      for (const text of [
        message('auth', { token }),
        JSON.stringify({ event: 'ping', data: {}, token }),
        message('auth', { access_token: token }),
      ])
        socket.sendRaw(text);
      const answered = await socket.ask('subscribe', { session_id: stage.session });
      expect(answered).toMatchObject({ event: 'rejected', data: { code: 'not_found' } });
      expect(socket.events).toEqual([]);
      socket.socket.terminate();
    });

    it('S33 of which a hundred come in ten seconds is one too few to be refused', async () => {
      const socket = await stage.ada.socket();
      const answers = await within(
        10_000,
        'a hundred answers',
        Promise.all(Array.from({ length: 100 }, () => socket.ask('ping', {}))),
      );
      expect(new Set(answers.map(({ event }) => event))).toEqual(new Set(['ack']));
      socket.sendRaw(message('ping'));
      expect((await socket.closed).code).toBe(1008);
    });
  });
}
