import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { describe, expect, it } from '@jest/globals';
import { callError, streamError } from './anthropic-errors.js';

const NOW = Date.parse('2026-11-23T10:00:00Z');

function refused(status: number, headers: Record<string, string> = {}, error: object = {}) {
  return callError(APIError.generate(status, { error }, undefined, new Headers(headers)), NOW);
}

describe('callError', () => {
  it.each([
    [400, 'invalid_request_error', false],
    [401, 'authentication_error', false],
    [402, 'billing_error', false],
    [403, 'permission_error', false],
    [404, 'not_found_error', false],
    [408, 'http_408', true],
    [409, 'conflict_error', true],
    [413, 'request_too_large', false],
    [422, 'http_422', false],
    [429, 'rate_limit_error', true],
    [500, 'api_error', true],
    [502, 'api_error', true],
    [504, 'timeout_error', true],
    [529, 'overloaded_error', true],
  ])('calls status %d %s (may be tried again: %s)', (status, code, retryable) => {
    expect(refused(status)).toMatchObject({ code, retryable });
  });

  it.each(['enforced_spend_limit_reached', 'contract_spend_limit_reached', 'organization_on_hold'])(
    'does not wait for %s',
    (error_code) => {
      expect(refused(429, {}, { type: 'rate_limit_error', details: { error_code } }).retryable).toBe(false);
    },
  );

  it.each([
    [{ 'retry-after': '2' }, 2000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Mon, 23 Nov 2026 10:00:05 GMT' }, 5000],
    [{ 'retry-after': 'Mon, 23 Nov 2026 09:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '150', 'retry-after': '9' }, 150],
    [{ 'retry-after-ms': 'soon', 'retry-after': '9' }, 9000],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('reads the wait from %j', (headers, expected) => {
    expect(refused(429, headers).retryAfterMs).toBe(expected);
  });

  it("gives the provider's message with the request id", () => {
    const error = refused(
      400,
      { 'request-id': 'req_9' },
      { type: 'invalid_request_error', message: 'No such tool' },
    );

    expect(error.message).toBe('No such tool (request req_9)');
  });

  it('may be tried again when the network failed, and not when the call could not be built', () => {
    expect(callError(new APIConnectionError({ message: 'down' }))).toMatchObject({
      code: 'model_unreachable',
      retryable: true,
    });
    expect(callError(new TypeError('cyclic'))).toMatchObject({
      code: 'invalid_request_error',
      retryable: false,
    });
  });
});

describe('streamError', () => {
  it.each([
    ['overloaded_error', true],
    ['api_error', true],
    ['timeout_error', true],
    ['rate_limit_error', true],
    ['internal_error', true],
    ['invalid_request_error', false],
    ['authentication_error', false],
  ])('keeps %s (may be tried again: %s)', (type, retryable) => {
    const error = streamError({ type: 'error', error: { type, message: 'Sorry' }, request_id: 'req_1' });

    expect(error).toMatchObject({ code: type, message: 'Sorry (request req_1)', retryable });
  });

  it('reads an error that says nothing', () => {
    expect(streamError({ type: 'error' })).toMatchObject({
      code: 'api_error',
      message: 'The model failed in mid-answer.',
      retryable: true,
    });
  });
});
