import { registerAs } from '@nestjs/config';
import { z } from 'zod';
import { readEnvironment } from '../errors/environment.js';

/** Who besides administrators may read the metrics: whoever presents this token. */
export const metricsConfig = registerAs('metrics', () => {
  const env = readEnvironment(process.env, {
    METRICS_TOKEN: z
      .string()
      .regex(/^[\x21-\x7e]+$/)
      .optional()
      .describe('a token of printable ASCII without blanks'),
  });
  return { token: env.METRICS_TOKEN };
});
