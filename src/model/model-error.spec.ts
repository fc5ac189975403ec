import { expect, it } from '@jest/globals';
import { ModelError } from './model-error.js';

it('an error of a model does not repeat the key that it was called with', () => {
  const message = 'invalid x-api-key: sk-ant-api03-AbCdEf_123 (Authorization: Bearer abc.def-123456)';
  expect(new ModelError('authentication_error', message, { retryable: false }).message).toBe(
    'invalid x-api-key: sk-ant-[redacted] (Authorization: Bearer [redacted])',
  );
});
