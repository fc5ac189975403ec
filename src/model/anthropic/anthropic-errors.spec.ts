import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { describe, expect, it } from '@jest/globals';
import { callError, isAccountError, isOutage, streamError } from './anthropic-errors.js';

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

  it('names the images that are too large, and does not send them again', () => {
    const error = refused(
      400,
      { 'request-id': 'req_9' },
      {
        type: 'invalid_request_error',
        message: 'Image too large.',
        details: {
          error_code: 'image_dimensions_too_large',
          paths: ['messages.0.content.1', 'messages.2.content.0'],
          max_side_length_pixels: 8000,
        },
      },
    );

    expect(error).toMatchObject({
      code: 'image_dimensions_too_large',
      message:
        'Image too large. Too large: messages.0.content.1, messages.2.content.0. A side may have 8000 pixels. (request req_9)',
      retryable: false,
      requestId: 'req_9',
      details: { max_side_length_pixels: 8000 },
    });
  });

  it.each([
    [400, 'prompt is too long: 210000 tokens > 200000 maximum', true],
    [400, 'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000', true],
    [400, 'the request exceeds the available context size (4096 tokens)', true],
    [400, 'max_tokens: 300000 > 128000', false],
    [413, 'prompt is too long', false],
    [529, 'exceeds context', false],
  ])('tells a prompt that is too long for the model from other refusals (%d, %s)', (status, message, is) => {
    expect(refused(status, {}, { message }).isContextOverflow).toBe(is);
  });

  it.each([
    [401, true],
    [403, true],
    [400, false],
    [429, false],
  ])('knows with status %d whether the credentials are bad: %s', (status, isBad) => {
    expect(refused(status).isCredentialBad).toBe(isBad);
  });

  it.each([
    [402, undefined, true],
    [403, 'organization_on_hold', true],
    [429, 'enforced_spend_limit_reached', true],
    [429, 'some_new_spend_limit_reached', true],
    [429, 'ramp_limit_exceeded', false],
    [429, undefined, false],
    [401, undefined, false],
  ])('knows with status %d and code %s whether a person must act: %s', (status, error_code, must) => {
    const error = refused(status, {}, error_code === undefined ? {} : { details: { error_code } });

    expect(isAccountError(error)).toBe(must);
    if (must) expect(error.retryable).toBe(false);
  });

  it.each([
    [500, true],
    [503, true],
    [504, true],
    [529, true],
    [429, false],
    [400, false],
    [408, false],
  ])('knows with status %d whether the provider is ill: %s', (status, isIll) => {
    expect(isOutage(refused(status))).toBe(isIll);
  });

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
