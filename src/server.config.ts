import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { integer, readEnvironment } from './errors/environment.js';

export const serverConfig = registerAs('server', () =>
  readEnvironment(process.env, {
    PORT: integer(0, 65_535, 'a port from 0 to 65535; 0: any free one').default(3_000),
    HOST: z.string().default('127.0.0.1').describe('an address or name of this machine'),
    WORKERS: integer(1, 256, 'a number of processes from 1 to 256').default(1),
    TRUST_PROXY: z
      .string()
      .optional()
      .describe(
        'addresses or networks of the proxies in front, a comma list; their X-Forwarded-* headers are believed',
      ),
  }),
);

/** Tests say all they need; what a developer has in `.env` must not change them. */
export const ignoreEnvFile = process.env['NODE_ENV'] === 'test';

export type ServerConfig = ConfigType<typeof serverConfig>;
