import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** A variable has a value the server cannot work with. The message is one line for the operator. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

/** Values that no message and no log repeats, by name; and addresses that hold a password. */
const SECRET = /SECRET|PASSWORD|KEY$|TOKEN$|^(DATABASE|REDIS)_URL$/;
const WITH_PASSWORD = /\/\/[^/]*@/;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Reads variables by a schema whose keys are their names. An empty value counts as not set. A secret may stand in a
 * file instead, which `<NAME>_FILE` names.
 * Every schema entry carries `.describe()`: what the variable takes, for the message.
 * @throws EnvironmentError naming the first bad variable, what it got and what it takes.
 */
export function readEnvironment<S extends z.ZodRawShape>(
  env: NodeJS.ProcessEnv,
  shape: S,
): z.output<z.ZodObject<S>> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(shape)) {
    const value = valueInFile(name, env) ?? env[name];
    if (value) given[name] = value;
  }
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success) return parsed.data;
  const name = String(parsed.error.issues[0]?.path[0]);
  const takes = describe(shape[name]) ?? parsed.error.issues[0]?.message;
  throw new EnvironmentError(`${name} is ${show(name, given[name])}, but takes ${takes}.`);
}

/** Whether the value of the variable is nobody's business, or holds a password. Only these may stand in files. */
export function isSecret(name: string): boolean {
  return SECRET.test(name);
}

/** Whether the variable is set, by itself or by a file. */
export function isGiven(env: NodeJS.ProcessEnv, name: string): boolean {
  return Boolean(env[name]) || (isSecret(name) && Boolean(env[`${name}_FILE`]));
}

/** Plain http only where nobody is between: loopback, or a development set-up. User and password belong in no address. */
export function isSafeAddress(text: string, production: boolean): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  return (
    url.protocol === 'https:' || (url.protocol === 'http:' && (!production || LOOPBACK.test(url.hostname)))
  );
}

/** As secret stores of containers hand them over; the line break that editors end a file with is not part of it. */
function valueInFile(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const variable = `${name}_FILE`;
  const file = env[variable];
  if (!file || !isSecret(name)) return undefined;
  if (env[name]) throw new EnvironmentError(`${name} and ${variable} are both set: keep one of them.`);
  const value = contentOf(variable, file).replace(/\r?\n$/, '');
  if (value !== '') return value;
  throw new EnvironmentError(`${variable} is ${JSON.stringify(file)}, which is empty.`);
}

function contentOf(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code = 'an error' } = cause as NodeJS.ErrnoException;
    throw new EnvironmentError(`${variable} is ${JSON.stringify(file)}, which cannot be read: ${code}.`, {
      cause,
    });
  }
}

/** A description stays with the schema that has it; `.default()` and `.optional()` wrap it. */
function describe(schema: unknown): string | undefined {
  if (!(schema instanceof z.ZodType)) return undefined;
  if (schema.description !== undefined) return schema.description;
  return schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
    ? describe(schema.unwrap())
    : undefined;
}

function show(name: string, value: string | undefined): string {
  if (value === undefined) return 'not set';
  const isHidden = isSecret(name) || WITH_PASSWORD.test(value);
  return isHidden ? `set to a value of ${value.length} characters` : JSON.stringify(value);
}

const DIGITS = /^\d{1,15}$/;

/** A whole number between `min` and `max`, both included. */
export function integer(min: number, max: number, takes = `a whole number from ${min} to ${max}`) {
  return z.string().regex(DIGITS).transform(Number).pipe(z.number().min(min).max(max)).describe(takes);
}

/** A duration in milliseconds. */
export function milliseconds(min: number, max = 86_400_000) {
  return integer(min, max, `milliseconds, a whole number from ${min} to ${max}`);
}

/**
 * A variable that holds JSON. What is wrong with it is told after the example, fault by fault.
 * @param schema of objects with `error: objectError`.
 */
export function jsonVariable<S extends z.ZodType>(schema: S, example: string) {
  return z.string().transform((text, context): z.output<S> => {
    const parsed = schema.safeParse(readJson(text));
    if (parsed.success) return parsed.data;
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trimStart());
    context.addIssue({ code: 'custom', message: `${example}: ${faults.join('; ')}` });
    return z.NEVER;
  });
}

/** What is wrong with something that should be an object, or has what it should not have. */
export function objectError({ code, keys }: { code?: string; keys?: string[] }): string {
  return code === 'unrecognized_keys' ? `has no ${keys?.join(', ')}` : 'must be an object';
}

/** What is no JSON is no object either, and that is what is told. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
