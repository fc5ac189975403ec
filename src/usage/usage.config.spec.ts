import { afterEach, describe, expect, it } from '@jest/globals';
import { usageConfig } from './usage.config.js';

const before = process.env['BUDGETS'];

function read(text: string) {
  process.env['BUDGETS'] = text;
  return usageConfig();
}

describe('BUDGETS', () => {
  afterEach(() => {
    if (before === undefined) delete process.env['BUDGETS'];
    else process.env['BUDGETS'] = before;
  });

  it('bounds nothing when it is not set', () => {
    expect(read('')).toEqual({});
  });

  it('takes any of the limits for any of the four', () => {
    const whole = { usd: 0.5, tokens: 200_000, turns: 40, tool_calls: 100, seconds: 1.5 };
    const settings = { run: whole, session: { usd: 2 }, user: {}, tenant: { tokens: 1 } };
    expect(read(JSON.stringify(settings)).BUDGETS).toEqual(settings);
  });

  it.each([
    ['{run:1}', 'must be an object'],
    ['[]', 'must be an object'],
    ['{"run":5}', 'run must be an object'],
    ['{"run":{"usd":"1"}}', 'run.usd must be a number above 0'],
    ['{"run":{"usd":0}}', 'run.usd must be a number above 0'],
    ['{"user":{"turns":1.5}}', 'user.turns must be a whole number above 0'],
    ['{"user":{"tokens":-1}}', 'user.tokens must be a whole number above 0'],
    ['{"user":{"USD":1}}', 'user has no USD'],
    ['{"users":{}, "day":{}}', 'has no users, day'],
    ['{"run":{"usd":-1},"user":{"a":1}}', 'run.usd must be a number above 0; user has no a'],
  ])('%s: is refused in one line: %s', (text, fault) => {
    const message = `BUDGETS is ${JSON.stringify(text)}, but takes JSON like {"run":{"usd":1,"turns":40},"user":{"usd":5}}: ${fault}.`;
    expect(() => read(text)).toThrow(message);
    expect(message).not.toContain('\n');
  });
});
