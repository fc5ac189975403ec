import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { readEnvironment } from '../errors/environment.js';

export const databaseConfig = registerAs('database', () =>
  readEnvironment(process.env, {
    DATA_DIR: z.string().default('.data').describe('a folder'),
    DATABASE_URL: z
      .string()
      .regex(/^postgres(ql)?:\/\//)
      .optional()
      .describe('the address of a PostgreSQL, postgres://user:password@host:port/name'),
  }),
);

export type DatabaseConfig = ConfigType<typeof databaseConfig>;
