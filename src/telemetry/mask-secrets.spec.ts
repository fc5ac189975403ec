import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { maskSecrets } from './mask-secrets.js';
import { rootLogger } from './root-logger.js';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c3JfMSJ9.c2lnbmF0dXJl';
const KEY = 'agl_0123456789abcdefghijABCDEFGHIJ_-xyz';

describe('secrets in texts', () => {
  it.each([
    [`key ${KEY} is over`, 'key agl_[redacted] is over'],
    ['x-api-key sk-ant-api03-AbC_123-xyz.', 'x-api-key sk-ant-[redacted].'],
    [`got ${JWT}, alas`, 'got [redacted], alas'],
    ['Authorization: Bearer abc123', 'Authorization: Bearer [redacted]'],
    ['agent.v1, bearer.opaqueTokenOfTwentyLetters', 'agent.v1, bearer.[redacted]'],
    ['Bearer%20abc123def', 'Bearer%20[redacted]'],
    ['session=s%3Aabc.def; theme=dark', 'session=[redacted]; theme=dark'],
    ['__Host-session=abc', '__Host-session=[redacted]'],
    ['login=s%3A0123456789abcdef.0123456789abcdefghij%2B', 'login=[redacted]'],
    ['postgres://ada:p%40ss:w@db:5432/x', 'postgres://ada:[redacted]@db:5432/x'],
    ['redis://:hunter2@cache', 'redis://:[redacted]@cache'],
    ['GET /ws?ticket=abc&x=1', 'GET /ws?ticket=[redacted]&x=1'],
    ['{"a":{"b":{"password":"q\\"w","x":1}}}', '{"a":{"b":{"password":"[redacted]","x":1}}}'],
    [
      '{"msg":"body {\\"client_secret\\":\\"qw\\"}"}',
      '{"msg":"body {\\"client_secret\\":\\"[redacted]\\"}"}',
    ],
  ])('leaves the secret out of %s', (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });

  it.each([
    'Send an Authorization header with a bearer token.',
    'Bearer authentication, basic instructions',
    '/api/agent/stream?session_id=ses_01jd0000000000000000000000&last_event_id=run_1.1.1',
    'http://127.0.0.1:3000/a@b',
    '{"input_tokens":12,"tokens":"x","session_id":"ses_1"}',
    'eyJ is how a token begins',
  ])('leaves %s as it is', (text) => {
    expect(maskSecrets(text)).toBe(text);
  });

  it('takes time that grows with the text alone', () => {
    const began = performance.now();
    for (const part of [
      '-eyJaaaaaa.',
      '://a:b',
      'Bearer a.',
      's:aaaaaaaaaaaaaaaaaaaa.',
      '"password":"\\\\',
    ]) {
      maskSecrets(part.repeat(20_000));
    }
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe('secrets of the configuration', () => {
  const lines: string[] = [];
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });

  it.each([false, true])('are in no line of the log (pretty: %s)', (pretty) => {
    lines.length = 0;
    const log = rootLogger({ level: 'info', pretty, secrets: ['ca"nary 42', 'word', 'everyday'] }, out);
    const error = new Error(`connect postgres://u:pw1@h failed with ca"nary 42 and ${KEY}`);
    error.cause = new Error(`Bearer ${JWT}`);
    log.error({ err: error, deep: { a: { b: { c: `key ca"nary 42` } } } }, 'an everyday word, ca"nary 42');
    const text = lines.join('');
    for (const secret of ['nary 42', 'pw1', '0123456789abc', 'eyJ']) expect(text).not.toContain(secret);
    expect(text).toContain('an everyday word, [redacted]');
  });
});
