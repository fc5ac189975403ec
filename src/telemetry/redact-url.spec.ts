import { describe, expect, it } from '@jest/globals';
import { redactUrl } from './redact-url.js';

describe('addresses in the log', () => {
  it.each([
    ['/api/agent/ws?ticket=abc', '/api/agent/ws?ticket=[redacted]'],
    [
      '/s?session_id=ses_1&access_token=a.b.c&follow=true',
      '/s?session_id=ses_1&access_token=[redacted]&follow=true',
    ],
    ['/s?token=1&token=2', '/s?token=[redacted]&token=[redacted]'],
    ['/s?%74icket=abc', '/s?%74icket=[redacted]'],
    ['/s?TICKET=abc', '/s?TICKET=[redacted]'],
    ['/s?ticket[]=abc', '/s?ticket[]=[redacted]'],
    ['/s?ticket=a=b', '/s?ticket=[redacted]'],
    ['/s?x=/y?ticket=abc', '/s?x=/y?ticket=abc'],
    ['/s?%zz=1', '/s?%zz=1'],
    ['/s?ticket', '/s?ticket'],
    ['/s?abcdefghijklmnopqrstuvwxyz', '/s?[redacted]'],
    ['/oidc/callback?code=abc&state=d&iss=i', '/oidc/callback?code=[redacted]&state=[redacted]&iss=i'],
    [
      '/s?authorization=x&api_key=y&session=z',
      '/s?authorization=[redacted]&api_key=[redacted]&session=[redacted]',
    ],
    ['/s?sid=s%3Aabcdefghijklmnop.sig', '/s?sid=[redacted]'],
    [
      '/s?last_event_id=run_01jd0000000000000000000000.1.12',
      '/s?last_event_id=run_01jd0000000000000000000000.1.12',
    ],
    ['/tickets', '/tickets'],
  ])('writes %s as %s', (url, logged) => {
    expect(redactUrl(url)).toBe(logged);
  });
});
