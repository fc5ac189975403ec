import { describe, expect, it } from '@jest/globals';
import {
  idempotencyKey,
  postMessage,
  readStream,
  socketFrame,
  socketRequests,
  startStream,
} from './requests.js';

describe('the query of a stream', () => {
  it('names a session, and perhaps a run, a cursor, and whether to follow', () => {
    expect(readStream.parse({ session_id: 'ses_1' })).toEqual({ session_id: 'ses_1', follow: false });
    expect(
      readStream.parse({ session_id: 'ses_1', run_id: 'run_1', last_event_id: '', follow: 'true', utm: 'x' }),
    ).toEqual({ session_id: 'ses_1', run_id: 'run_1', last_event_id: '', follow: true });
  });

  it.each<[string, Record<string, unknown>]>([
    ['no session', {}],
    ['an empty session', { session_id: '' }],
    ['two sessions', { session_id: ['ses_1', 'ses_1'] }],
    ['an object', { session_id: { a: 'x' } }],
    ['a session of 101 characters', { session_id: 'x'.repeat(101) }],
    ['two runs', { session_id: 'ses_1', run_id: ['a', 'b'] }],
    ['follow=maybe', { session_id: 'ses_1', follow: 'maybe' }],
    ['follow=', { session_id: 'ses_1', follow: '' }],
    ['follow twice', { session_id: 'ses_1', follow: ['true', 'true'] }],
  ])('is none with %s', (_name, query) => {
    expect(readStream.safeParse(query).success).toBe(false);
  });

  it.each([['x'.repeat(10_000)], [['a', 'b']], [[]], ['\u0000\ud83d']])(
    'is never wrong for its cursor (case %#)',
    (cursor) => {
      const { last_event_id } = readStream.parse({ session_id: 'ses_1', last_event_id: cursor });
      expect(typeof last_event_id).toBe('string');
    },
  );
});

describe('a start', () => {
  it('waits in the queue and goes on without viewers, unless it says something else', () => {
    expect(postMessage.parse({ content: 'a' })).toEqual({ content: 'a', when_busy: 'queue' });
    expect(startStream.parse({ content: 'a' })).toEqual({
      content: 'a',
      when_busy: 'queue',
      on_disconnect: 'continue',
    });
  });

  it.each([
    { content: 'a', when_busy: 'wait' },
    { content: 'a', on_disconnect: 'stop' },
    { content: 'a', session_id: null },
    { content: 'a', run_id: 'run_1' },
    { content: 'a', last_event_id: 'x' },
    { content: 'a', agent: '\u0000' },
    { content: 'a', tenant_id: 'x' },
  ])('is none as %j', (body) => {
    expect(startStream.safeParse(body).success).toBe(false);
  });
});

describe('an idempotency key', () => {
  it.each(['a', ' ', '~', 'k'.repeat(255), '"quoted"'])('may be %j', (key) => {
    expect(idempotencyKey.parse(key)).toBe(key);
  });

  it.each(['', 'k'.repeat(256), 'é', 'a\n', 'a\t', '\u007f', 5])('is not %j', (key) => {
    expect(idempotencyKey.safeParse(key).success).toBe(false);
  });
});

describe('what a client says on a socket', () => {
  it.each([
    ['subscribe', {}],
    ['subscribe', { session_id: 'a', follow: 'true' }],
    ['subscribe', { session_id: 'a', last_event_id: 5 }],
    ['subscribe', { session_id: 'a', on_disconnect: 'cancel' }],
    ['unsubscribe', {}],
    ['unsubscribe', { session_id: '' }],
    ['cancel', {}],
    ['cancel', { run_id: 'a', session_id: 'b' }],
    ['decide', { run_id: 'a', tool_call_id: 'b', decision: 'maybe' }],
    ['decide', { run_id: 'a', tool_call_id: 'b', decision: 'deny', reason: 'x'.repeat(10_001) }],
    ['start', { session_id: 'a' }],
    ['start', { content: 'a', idempotency_key: '' }],
    ['ping', { a: 1 }],
    ['ping', null],
    ['cancel', undefined],
  ] as const)('is no %s with %j', (event, data) => {
    expect(socketRequests[event].safeParse(data).success).toBe(false);
  });

  it('may leave out the data of a ping', () => {
    expect(socketRequests.ping.parse(undefined)).toEqual({});
  });

  it.each([
    null,
    [],
    'x',
    {},
    { event: 5 },
    { event: 'ping', ref: null },
    { event: 'ping', ref: 'x'.repeat(201) },
    { event: 'ping', token: 'x' },
    { event: 'x'.repeat(101) },
  ])('is no frame as %j', (frame) => {
    expect(socketFrame.safeParse(frame).success).toBe(false);
  });
});
