import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { readEnvironment } from '../errors/environment.js';

export const eventLogConfig = registerAs('eventLog', () =>
  readEnvironment(process.env, {
    REDIS_URL: z
      .string()
      .regex(/^rediss?:\/\/./)
      .optional()
      .describe('the address of a Redis, redis://user:password@host:port'),
  }),
);

export type EventLogConfig = ConfigType<typeof eventLogConfig>;
