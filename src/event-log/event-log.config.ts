import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { milliseconds, readEnvironment } from '../errors/environment.js';

const YEAR_MS = 31_536_000_000;

export const eventLogConfig = registerAs('eventLog', () =>
  readEnvironment(process.env, {
    REDIS_URL: z
      .string()
      .regex(/^rediss?:\/\/./)
      .refine((address) => URL.canParse(address))
      .optional()
      .describe('the address of a Redis, redis://user:password@host:port'),
    /** How long a run's events stay: in Redis after the last of them, in the database after its end. */
    LOG_RETENTION_MS: milliseconds(60_000, YEAR_MS).default(604_800_000),
    /** For so long, appends wait for a store that cannot be reached: after it the run is somebody else's. */
    LEASE_MS: milliseconds(100).default(10_000),
  }),
);

export type EventLogConfig = ConfigType<typeof eventLogConfig>;
