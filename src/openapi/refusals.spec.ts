import { describe, expect, it } from '@jest/globals';
import { refusalResponses } from './refusals.js';

const OPEN_GET = { method: 'get', isOpen: true, hasBody: false, hasPathParameters: false, own: [] };

describe('how a route refuses', () => {
  it('an open route that changes nothing: only what is no request, and what nobody foresaw', () => {
    expect(refusalResponses(OPEN_GET)).toEqual({
      400: {
        description: '`invalid_request`: The request is not valid',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
      default: {
        description: 'Any other refusal',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    });
  });

  it('a route that changes something of somebody: also for want of a principal, of a right, and of room', () => {
    const route = { method: 'post', isOpen: false, hasBody: true, hasPathParameters: true, own: [] };
    expect(Object.keys(refusalResponses(route))).toEqual([
      '400',
      '401',
      '403',
      '404',
      '413',
      '415',
      '429',
      '503',
      '507',
      'default',
    ]);
  });

  it('says all codes of one status, with its own', () => {
    const route = { ...OPEN_GET, own: ['conflict', 'session_busy', 'invalid_request'] as const };
    expect(refusalResponses(route)).toMatchObject({
      409: {
        description:
          '`conflict`: This conflicts with the present state. `session_busy`: The session has an active run',
      },
    });
    expect(Object.keys(refusalResponses(route))).toEqual(['400', '409', 'default']);
  });

  it('says with which headers', () => {
    const responses = refusalResponses({ ...OPEN_GET, isOpen: false });
    expect(responses['401']).toHaveProperty('headers.WWW-Authenticate');
    expect(responses['429']).toHaveProperty('headers.Retry-After');
    expect(responses['400']).not.toHaveProperty('headers');
  });
});
