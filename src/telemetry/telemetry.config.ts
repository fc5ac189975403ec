import { registerAs } from '@nestjs/config';
import { z } from 'zod';
import { EnvironmentError, isSecret, readEnvironment } from '../errors/environment.js';

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
  if (name.endsWith('_FILE')) return secretsInFile(name.slice(0, -'_FILE'.length));
  return secretsIn(name, value);
}

/** Of an address only the password: the rest helps whoever reads why it does not answer. */
function secretsIn(name: string, value: string): string[] {
  const password = ADDRESS_PASSWORD.exec(value)?.[1];
  const whole = isSecret(name) && !name.endsWith('_URL') ? [value] : [];
  return password === undefined ? whole : [...whole, password];
}

/** A file that cannot be read is named by whoever needs it. */
function secretsInFile(name: string): string[] {
  if (!isSecret(name)) return [];
  try {
    const { [name]: value = '' } = readEnvironment(process.env, { [name]: z.string().optional() });
    return secretsIn(name, value);
  } catch (error) {
    if (error instanceof EnvironmentError) return [];
    throw error;
  }
}
