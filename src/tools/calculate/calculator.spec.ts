import { describe, expect, it } from '@jest/globals';
import { ToolError } from '../tool-error.js';
import { calculate } from './calculator.js';

describe('calculate', () => {
  it.each([
    ['(1 + 2) * 3 ^ 2', 27],
    ['2 ^ 3 ^ 2', 512],
    ['-2 ^ 2', -4],
    ['10 % 4', 2],
    ['5!', 120],
    ['sqrt(2)', Math.SQRT2],
    ['min(3, 4) + max(1, 2)', 5],
    ['roundTo(10 / 3, 2)', 3.33],
    ['2 * pi', 6.283185307179586],
    ['1.5e3 + 0x10', 1516],
    ['7 > 6 ? 1 : 0', 1],
    ['7 >= 7 and not (1 == 2)', true],
    ['1 != 1', false],
  ])('%s is %s', (expression, value) => {
    expect(calculate(expression)).toBe(value);
  });

  it.each([
    ['an assignment', 'x = 2'],
    ['an assignment to a constant', 'PI=3'],
    ['a function definition', 'f(x) = x ^ 2'],
    ['several expressions', '1; 2'],
    ['member access', '(1).constructor'],
    ['member access of a number', '1.0.toFixed'],
    ['an inherited name', 'toString'],
    ['an inherited name as operator', 'valueOf 1'],
    ['an inherited name as function', 'constructor(1)'],
    ['a name hidden behind a digit', '2constructor'],
    ['__proto__', '__proto__'],
    ['an array', '[1, 2]'],
    ['a text', '"a" || "b"'],
    ['a random number', 'random(1)'],
    ['a function over lists', 'map(sin, 3)'],
    ['nothing', ' '],
    ['half an expression', '1 +'],
    ['an open parenthesis', '((1)'],
  ])('refuses %s', (_what, expression) => {
    expect(() => calculate(expression)).toThrow(ToolError);
  });

  it.each(['1 / 0', '0 / 0', 'sqrt(-1)', '171!', '10 ^ 309', '(-8) ^ 0.5', 'sin'])(
    'refuses %s, whose value is no finite number',
    (expression) => {
      expect(() => calculate(expression)).toThrow('The result is not a finite number');
    },
  );

  it.each([
    ['1'.repeat(1001), 'The expression is longer than 1000 characters.'],
    ['('.repeat(1000), 'The expression is not valid'],
    ['foo + 1', '"foo" is not known. Known are: min, max, '],
  ])('says what is wrong', (expression, message) => {
    expect(() => calculate(expression)).toThrow(message);
  });

  it.each([
    ['factorials of factorials', `9${'!'.repeat(999)}`],
    ['towers of powers', `9${'^9'.repeat(499)}`],
    ['a thousand signs', `${'-'.repeat(999)}1`],
    ['deep parentheses', `${'('.repeat(499)}1${')'.repeat(499)}`],
    ['deep functions', `${'sin('.repeat(199)}1${')'.repeat(199)}`],
    ['long conditions', `${'1?'.repeat(249)}1${':1'.repeat(249)}`],
    ['factorials of huge fractions', '(-170.5)! + gamma(-1e15 - 0.5) + 1e300!'],
  ])('is soon done with %s', (_what, expression) => {
    const cpu = process.cpuUsage();
    try {
      calculate(expression);
    } catch (error) {
      expect(error).toBeInstanceOf(ToolError);
    }
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(2_000);
  });
});
