import { z } from 'zod';

/** A variable has a value the server cannot work with. The message is one line for the operator. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

/** Values that no message repeats, by name; and addresses that hold a password. */
const SECRET = /SECRET|PASSWORD|KEY$|_TOKEN$|^(DATABASE|REDIS)_URL$/;
const WITH_PASSWORD = /\/\/[^/]*@/;

/**
 * Reads variables by a schema whose keys are their names. An empty value counts as not set.
 * Every schema entry carries `.describe()`: what the variable takes, for the message.
 * @throws EnvironmentError naming the first bad variable, what it got and what it takes.
 */
export function readEnvironment<S extends z.ZodRawShape>(
  env: NodeJS.ProcessEnv,
  shape: S,
): z.output<z.ZodObject<S>> {
  const given = Object.fromEntries(
    Object.keys(shape).flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success) return parsed.data;
  const name = String(parsed.error.issues[0]?.path[0]);
  const takes = describe(shape[name]) ?? parsed.error.issues[0]?.message;
  throw new EnvironmentError(`${name} is ${show(name, given[name])}, but takes ${takes}.`);
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
  const isSecret = SECRET.test(name) || WITH_PASSWORD.test(value);
  return isSecret ? `set to a value of ${value.length} characters` : JSON.stringify(value);
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
