import { registerAs } from '@nestjs/config';
import { z } from 'zod';
import { EnvironmentError, readEnvironment } from '../errors/environment.js';

/** Variables whose values no log repeats, by the words in their names. */
const SECRET = /SECRET|PASSWORD|TOKEN$|KEY$/;
const ADDRESS_PASSWORD = /:\/\/[^\s/:@]*:([^\s/]+)@/;

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** How much is logged, and for whom: lines for a person at a terminal, JSON for everything else. */
export const telemetryConfig = registerAs('telemetry', () => {
  const env = readEnvironment(process.env, {
    LOG_LEVEL: z
      .enum(LEVELS)
      .default('info')
      .describe(`one of ${LEVELS.join(', ')}`),
    NODE_ENV: z
      .enum(['production', 'development', 'test'])
      .default('development')
      .describe('production, development or test'),
  });
  return {
    level: env.LOG_LEVEL,
    pretty: env.NODE_ENV === 'development' && process.stdout.isTTY,
    /** All that the environment keeps secret, whoever uses it. */
    secrets: Object.entries(process.env).flatMap(([name, value = '']) => secretsOf(name, value)),
  };
});

function secretsOf(name: string, value: string): string[] {
  if (name.endsWith('_FILE')) return secretInFile(name.slice(0, -'_FILE'.length));
  if (SECRET.test(name)) return [value];
  const password = ADDRESS_PASSWORD.exec(value)?.[1];
  return password === undefined ? [] : [password];
}

/** A file that cannot be read is named by whoever needs it. */
function secretInFile(name: string): string[] {
  if (!SECRET.test(name)) return [];
  try {
    const { [name]: value = '' } = readEnvironment(process.env, { [name]: z.string().optional() });
    return [value];
  } catch (error) {
    if (error instanceof EnvironmentError) return [];
    throw error;
  }
}
