import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../errors/app-error.js';
import { explainRedisError } from './redis-errors.js';

function answer(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

describe('an error of Redis', () => {
  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -OOM command not allowed when used memory > 'maxmemory'.",
  ])('that tells of no space is storage_full: %s', (message) => {
    expect(explainRedisError(answer(message))).toMatchObject({ code: 'storage_full' });
  });

  it.each([
    'MISCONF Errors writing to the AOF file: No space left on device',
    "READONLY You can't write against a read only replica.",
    'ERR Error running script: @user_script:9: -READONLY You can not write against a read only replica.',
    'LOADING Redis is loading the dataset in memory',
    'MASTERDOWN Link with MASTER is down',
    'CLUSTERDOWN The cluster is down',
    'NOAUTH Authentication required.',
  ])('that tells of a Redis that cannot do its work now is unavailable: %s', (message) => {
    expect(explainRedisError(answer(message))).toMatchObject({ code: 'unavailable', retryAfter: 2 });
  });

  it.each([
    'Connection is closed.',
    'Command timed out',
    'Reached the max retries per request limit (which is 0).',
    'connect ECONNREFUSED 127.0.0.1:6379',
  ])('that Redis has not answered is unavailable, with its cause: %s', (message) => {
    const error = new Error(message);
    expect(explainRedisError(error)).toMatchObject({ code: 'unavailable', cause: error });
  });

  it.each([
    answer('ERR wrong number of arguments'),
    answer('WRONGTYPE Operation against a key holding the wrong kind of value'),
    new TypeError('x is not a function'),
    new AppError('fenced', 'over'),
    'no error at all',
  ])('of another kind stays as it is: %s', (error) => {
    expect(explainRedisError(error)).toBe(error);
  });
});
