import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { bearerToken } from './bearer-token.js';

function request(...rawHeaders: string[]): IncomingMessage {
  const headers: Record<string, string> = {};
  for (let i = 0; i < rawHeaders.length; i += 2) headers[rawHeaders[i]!.toLowerCase()] ??= rawHeaders[i + 1]!;
  return { headers, rawHeaders } as unknown as IncomingMessage;
}

describe('The access token of a request', () => {
  it.each([
    [['Authorization', 'Bearer abc'], 'abc'],
    [['authorization', 'bearer abc'], 'abc'],
    [['Authorization', 'Basic abc'], null],
    [['Authorization', 'Bearer'], null],
    [[], null],
    [['Sec-WebSocket-Protocol', 'agent.v1, bearer.a.b.c'], 'a.b.c'],
    [['Sec-WebSocket-Protocol', 'agent.v1'], null],
    [['Authorization', 'Bearer a', 'Sec-WebSocket-Protocol', 'agent.v1, bearer.a'], 'a'],
  ])('is read from %j', (headers, expected) => {
    expect(bearerToken(request(...headers))).toBe(expected);
  });

  it.each([
    [['Authorization', 'Bearer a', 'Authorization', 'Bearer b']],
    [['Authorization', 'Bearer a', 'AUTHORIZATION', 'Basic b']],
    [['Sec-WebSocket-Protocol', 'bearer.a, bearer.b']],
    [['Authorization', 'Bearer a', 'Sec-WebSocket-Protocol', 'agent.v1, bearer.b']],
  ])('is refused when there are several: %j', (headers) => {
    expect(() => bearerToken(request(...headers))).toThrow('send one');
  });
});
