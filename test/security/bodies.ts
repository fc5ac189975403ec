import { beforeAll, describe, expect, it } from '@jest/globals';
import { textOf } from '../support/event-list.js';
import { bearer, cheap, JSON_TYPE, refusal, type Row, stage } from './stage.js';

const BAD = '400 invalid_request';
const LARGE = '413 payload_too_large';
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=';

const messages = () => `/api/agent/sessions/${stage.session}/messages`;
/** Raw answers are bytes. */
const utf8 = (bytes: string) => Buffer.from(bytes, 'latin1').toString();

/** A message of these exact bytes, to the two routes that start a run. */
async function say(body: string | Buffer): Promise<string> {
  const answers = [];
  for (const path of [messages(), '/api/agent/stream'])
    answers.push(refusal(await stage.raw(`POST ${path}`, [bearer(stage.ada), JSON_TYPE], body)));
  expect(answers[1]).toBe(answers[0]);
  return answers[0]!;
}
const create = (body: string) => stage.post('/api/agent/sessions', body).then(refusal);
const text = (said: string) => `{"content":${said}}`;
const block = (fields: object) => text(JSON.stringify([fields]));
const source = (type: string, media_type: string, data: string) =>
  block({ type, source: { type: 'base64', media_type, data } });

const BODIES: Row[] = [
  ...['', ' ', 'null', '[]', '"x"', '42', 'true'].map((body): Row => [
    'B25',
    JSON.stringify(body),
    () => say(body),
    BAD,
  ]),
  ...[
    '{"content":"x"',
    '{"content":"x",}',
    '{"content":"x"}{}',
    '{"content":"x"} x',
    "{'content':'x'}",
    '{content:"x"}',
    '{"content":"x" /* y */}',
    '{"content":"x"} // y',
    '{"content":"a\nb"}',
    '{"content":"\\x41"}',
    '{"content":NaN}',
    '{"content":"x","a":+1}',
    '{"content":"x","a":01}',
    '{"content":"x","a":.5}',
  ].map((body): Row => ['B26', body, () => say(body), BAD]),
  [
    'B26',
    'a byte order mark before it',
    () => say(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text('"x"'))])),
    BAD,
  ],
  ['B26', 'UTF-16', () => say(Buffer.from(text('"x"'), 'utf16le')), BAD],
  ['B27', '__proto__', () => say('{"content":"x","__proto__":{"admin":true}}'), BAD],
  ['B27', '__proto__ in escapes', () => say('{"content":"x","\\u005f_proto__":{"admin":true}}'), BAD],
  [
    'B27',
    'constructor.prototype',
    () => say('{"content":"x","constructor":{"prototype":{"admin":true}}}'),
    BAD,
  ],
  [
    'B27',
    '__proto__ in a block',
    () => say('{"content":[{"type":"text","text":"x","__proto__":{"admin":true}}]}'),
    BAD,
  ],
  ...['__proto__', 'constructor', 'prototype'].map((name): Row => [
    'B27',
    `${name} deep in metadata`,
    () => create(`{"metadata":{"a":[{"${name}":{"admin":true}}]}}`),
    BAD,
  ]),
  ['B28', 'unknown fields beside equal ones', () => say('{"content":"a","content":"b","b":1}'), BAD],
  ['B29', '10 MB of text', () => say(text(`"${'x'.repeat(10_000_000)}"`)), LARGE],
  ['B29', '1 MB of text', () => say(text(`"${'x'.repeat(1_000_000)}"`)), LARGE],
  ['B29', 'a title of 1 MB', () => create(`{"title":"${'x'.repeat(1_000_000)}"}`), LARGE],
  [
    'B29',
    'a body that only says that it is large',
    () =>
      stage
        .raw(`POST ${messages()}`, [bearer(stage.ada), JSON_TYPE, 'Content-Length: 20000000'], '{')
        .then(refusal),
    LARGE,
  ],
  ...[
    '""',
    '" "',
    '"\\n\\t\\r"',
    '"\\u00a0"',
    '"\\ufeff"',
    '"\\u2028"',
    '[]',
    '[{"type":"text","text":""}]',
    '[{"type":"text","text":" \\n"}]',
  ].map((said): Row => ['B30', `content ${said}`, () => say(text(said)), BAD]),
  ['B31', 'an unknown field', () => say('{"content":"x","foo":1}'), BAD],
  [
    'B31',
    'an unknown field in a block',
    () => say(block({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } })),
    BAD,
  ],
  [
    'B31',
    '5,000 unknown fields',
    () => say(`{"content":"x",${Array.from({ length: 5_000 }, (_, n) => `"k${n}":1`).join()}}`),
    BAD,
  ],
  [
    'B31',
    'an unknown field with a name of 100 KB',
    () => say(`{"content":"x","${'k'.repeat(100_000)}":1}`),
    BAD,
  ],
  [
    'B31',
    'a name with ANSI and CR LF',
    () => say('{"content":"x","\\u001b[31m\\r\\nSet-Cookie: a=b":1}'),
    BAD,
  ],
  ...['content', 'title', 'system'].map((field): Row => [
    'B32',
    `NUL in ${field}`,
    () => (field === 'content' ? say(text('"a\\u0000b"')) : create(`{"${field}":"a\\u0000b"}`)),
    BAD,
  ]),
  ['B32', 'NUL in a block', () => say(block({ type: 'text', text: 'a\0b' })), BAD],
  ['B32', 'half a surrogate pair', () => say(text('"\\ud800"')), BAD],
  ['B32', 'a surrogate pair the wrong way round', () => say(text('"\\ude00\\ud83d"')), BAD],
  ['B34', 'a title of 201 emoji', () => create(JSON.stringify({ title: '😀'.repeat(201) })), BAD],
  ...[
    '{}',
    'true',
    '[1]',
    '[null]',
    '[[]]',
    '1e400',
    '-0',
    '{"type":"text","text":"x"}',
    '[{"type":["text"],"text":"x"}]',
    '[{"type":"__proto__"}]',
    '[{"text":"x"}]',
    '[{"type":"text","text":["x"]}]',
    '[{"type":"tool_result","tool_use_id":"x","content":"y"}]',
    '[{"type":"tool_use","id":"x","name":"y","input":{}}]',
    '[{"type":"thinking","thinking":"x","signature":"y"}]',
  ].map((said): Row => ['B35', `content ${said}`, () => say(text(said)), BAD]),
  ...['"wait"', '["queue"]', '{"toString":1}', '"__proto__"', 'null', '0'].map((busy): Row => [
    'B35',
    `when_busy ${busy}`,
    () => say(`{"content":"x","when_busy":${busy}}`),
    BAD,
  ]),
  ...['"__proto__"', '"constructor"', '"nobody"', '[]', '{}', '1'].map((agent): Row => [
    'B35',
    `agent ${agent}`,
    () => create(`{"agent":${agent}}`),
    BAD,
  ]),
  ...['null', '[1]', '"x"', '{"a":1e400}'].map((metadata): Row => [
    'B35',
    `metadata ${metadata}`,
    () => create(`{"metadata":${metadata}}`),
    BAD,
  ]),
  ['B29', 'metadata of 17 KB', () => create(JSON.stringify({ metadata: { a: 'x'.repeat(17_000) } })), BAD],
  [
    'B29',
    'metadata of 2,000 levels',
    () => create(`{"metadata":{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}}`),
    BAD,
  ],
  ['B37', 'a picture that is text', () => say(source('image', 'image/png', 'aGVsbG8gd29ybGQ=')), BAD],
  ['B37', 'a picture of another kind than it says', () => say(source('image', 'image/jpeg', PNG)), BAD],
  ['B37', 'a picture that is a page', () => say(source('image', 'text/html', 'PGh0bWw+')), BAD],
  [
    'B37',
    'a picture that is a drawing with scripts',
    () => say(source('image', 'image/svg+xml', 'PHN2Zz4=')),
    BAD,
  ],
  ['B37', 'a picture that is no base64', () => say(source('image', 'image/png', '!!!')), BAD],
  ['B37', 'a document that is a picture', () => say(source('document', 'application/pdf', PNG)), BAD],
  [
    'B37',
    'a WebP that is a WAV',
    () => say(source('image', 'image/webp', Buffer.from('RIFF0000WAVEfmt ').toString('base64'))),
    BAD,
  ],
  ...[
    'http://127.0.0.1/x.png',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'data:image/png;base64,AAAA',
    'https:example.com',
    'https://a b',
  ].map((url): Row => [
    'B37',
    `a picture at ${url}`,
    () => say(block({ type: 'image', source: { type: 'url', url } })),
    BAD,
  ]),
];

const TEXTS: [string, string, string][] = [
  ['B33', 'a line separator', 'a\u2028b'],
  ['B33', 'a right-to-left override', 'a\u202eb'],
  ['B33', 'a zero-width blank', 'a\u200bb'],
  ['B33', 'tag characters', 'a\u{e0041}\u{e0042}b'],
  ['B34', '300 combining marks', `e${'\u0301'.repeat(300)}`],
  ['B34', 'one grapheme of 600 KB', `e${'\u0301'.repeat(300_000)}`],
  ['B36', 'Redis', '*1\r\n$8\r\nFLUSHALL\r\n'],
  ['B36', 'SQL', "'; DROP TABLE runs;--"],
  ['B36', 'templates', '${7*7} {{7*7}} <%= 7*7 %> #{7*7}'],
  ['B36', 'ANSI', '\u001b[2J\u001b[31mred'],
  ['B36', 'a page', '<script>alert(1)</script><img src=x onerror=alert(1)>'],
];

/** A body of so many bytes. */
const titled = (bytes: number) => `{"title":"${'x'.repeat(bytes - 12)}"}`;

export function bodies(): void {
  describe('a body', () => {
    let before: string;

    beforeAll(async () => {
      before = await stage.everything();
      stage.upstream.forget();
    });

    it.each(BODIES)('%s of %s is refused', async (_row, words, ask, expected) => {
      // Two requests each; ten megabytes are costly to make, and to send.
      expect(await cheap(ask, /MB/.test(words) ? 3_000 : 1_000)).toBe(expected);
      expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    });

    it('that was refused has changed nothing, and no model was asked', async () => {
      expect(await stage.everything()).toBe(before);
      expect(
        stage.upstream.calls.filter(({ body }) => !JSON.stringify(body).includes('all the time')),
      ).toEqual([]);
    });

    it('B31 tells of unknown fields by name, of twenty at most, and no name in full that has no end', async () => {
      const fields = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`${n}${'k'.repeat(200)}`, 1]));
      const { body } = await stage.post('/api/agent/sessions', { foo: 1, ...fields });
      const { errors } = JSON.parse(body) as { errors: { path: string }[] };
      expect(errors).toHaveLength(20);
      expect(errors[0]).toEqual({ path: 'foo', message: 'unknown field' });
      expect(body.length).toBeLessThan(5_000);
      const one = await stage.post('/api/agent/sessions', { foo: 1 });
      expect(JSON.parse(one.body)).toMatchObject({ errors: [{ path: 'foo', message: 'unknown field' }] });
    });

    it('B28 with a key twice has the last value', async () => {
      const { status, body } = await stage.post(
        '/api/agent/sessions',
        '{"title":"first","\\u0074itle":"second"}',
      );
      expect([status, (JSON.parse(body) as { title: string }).title]).toEqual([201, 'second']);
    });

    it.each(TEXTS)('%s of %s is kept, and told to the model, as it is', async (_row, _words, said) => {
      const own = await stage.ada.createSession();
      stage.upstream.forget();
      const run = await stage.ada.post(own, said);
      expect((await stage.ada.settled(run.id)).status).toBe('completed');
      const stored = await stage.ada.call<{ data: { content: { text: string }[] }[] }>(
        'GET',
        `/api/agent/sessions/${own}/messages`,
      );
      expect(stored.body.data[0]?.content[0]?.text).toBe(said);
      const told = stage.upstream.calls.flatMap(({ body }) => JSON.stringify(body.messages));
      expect(told.some((messagesTold) => messagesTold.includes(JSON.stringify(said)))).toBe(true);
    });

    it('S45 of which the model repeats lines of an event stream is data of one event', async () => {
      const own = await stage.ada.createSession();
      const run = await stage.ada.post(own, 'inject');
      await stage.ada.settled(run.id);
      const stream = await stage.ada.read({ session_id: own });
      expect([...new Set(stream.blocks.map(({ event }) => event))].toSorted()).toEqual([
        'done',
        'run',
        'token',
      ]);
      expect([textOf(stream.events), stream.parser.problems]).toEqual([
        'a\n\nevent: x\ndata: {}\n\nid: 9\n\n',
        [],
      ]);
    });

    it.each<[string, string]>([
      ['B34 a title of 200 emoji', JSON.stringify({ title: '😀'.repeat(200) })],
      [
        'B27 names of methods in metadata',
        '{"metadata":{"toString":1,"hasOwnProperty":2,"valueOf":3,"toJSON":4,"then":5,"":6}}',
      ],
      ['B32 escapes in metadata', '{"metadata":{"a":"\\ud800","\\u0000":"\\u0000"}}'],
    ])('%s is kept as it came', async (_words, body) => {
      const { status, body: made } = await stage.post('/api/agent/sessions', body);
      const { id } = JSON.parse(made) as { id: string };
      expect(status).toBe(201);
      const { body: kept } = await stage.get(`/api/agent/sessions/${id}`);
      expect(JSON.parse(utf8(kept))).toMatchObject(JSON.parse(body) as object);
    });

    it('of PATCH takes null away, and replaces metadata as a whole', async () => {
      const id = await stage.ada.createSession({ title: 'a', system: 'b', metadata: { a: 1, b: 2 } });
      const change = (body: unknown) => stage.ada.call('PATCH', `/api/agent/sessions/${id}`, body);
      expect((await change({ title: null, metadata: { a: null } })).body).toMatchObject({
        title: null,
        system: 'b',
        metadata: { a: null },
      });
      expect((await change({})).body).toMatchObject({ title: null, system: 'b', metadata: { a: null } });
    });

    it('S31 one byte above the limit is too large, and one less is read', async () => {
      expect(await create(titled(256_001))).toBe(LARGE);
      expect(await create(titled(256_000))).toBe(BAD);
    });
  });
}
