import { registerAs } from '@nestjs/config';
import { z } from 'zod';
import { readEnvironment } from '../errors/environment.js';

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
  };
});
