import { Parser } from 'expr-eval-fork';
import { ToolError } from '../tool-error.js';

/** The longest expression, in characters: also what bounds the time and the depth of a calculation. */
export const MAX_EXPRESSION_LENGTH = 1000;

/** What is always the same for the same arguments: no `random`. */
const FUNCTIONS = 'min max hypot pow atan2 roundTo gamma';
const OPERATORS =
  'abs ceil floor round trunc sign sqrt cbrt exp expm1 ln log log2 log10 log1p ' +
  'sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh and or not';
const CONSTANTS = { PI: Math.PI, pi: Math.PI, E: Math.E, e: Math.E, true: true, false: false };

const KNOWN_WORDS = new Set([...FUNCTIONS.split(' '), ...OPERATORS.split(' '), ...Object.keys(CONSTANTS)]);
/** No quotes, brackets or semicolons: nothing but numbers and truth values can be made. */
const ALLOWED_CHARACTERS = /^[\w\s.,+\-*/%^()!<>=?:]*$/;
/** A word, but not the exponent of 1e5. */
const WORD = /(?<![\w.])[a-z_]\w*/gi;

const parser = new Parser({ allowMemberAccess: false, operators: { assignment: false, fndef: false } });
parser.consts = CONSTANTS;

/**
 * The value of an expression in 64-bit floating point (IEEE 754).
 * Only known words get through to the parser: what it looks up by name is what stands in the lists above.
 * @throws ToolError when the expression is not valid, or its value is not a finite number or a truth value.
 */
export function calculate(expression: string): number | boolean {
  checkExpression(expression);
  const value = evaluate(expression);
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw new ToolError('The result is not a finite number: it is undefined, or larger than 1.8e308.');
}

function checkExpression(expression: string): void {
  if (expression.length > MAX_EXPRESSION_LENGTH) {
    throw new ToolError(`The expression is longer than ${MAX_EXPRESSION_LENGTH} characters.`);
  }
  if (!ALLOWED_CHARACTERS.test(expression)) {
    throw new ToolError(
      'The expression may hold numbers, + - * / % ^ !, comparisons, parentheses and functions only.',
    );
  }
  const unknown = expression.match(WORD)?.find((word) => !KNOWN_WORDS.has(word));
  if (unknown !== undefined) {
    throw new ToolError(`"${unknown}" is not known. Known are: ${[...KNOWN_WORDS].join(', ')}.`);
  }
}

function evaluate(expression: string): unknown {
  try {
    return parser.parse(expression).evaluate({}) as unknown;
  } catch (cause) {
    const reason = cause instanceof RangeError ? 'nested too deeply' : (cause as Error).message;
    throw new ToolError(`The expression is not valid: ${reason}.`, { cause });
  }
}
