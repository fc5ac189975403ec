import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { TRANSPORTS } from './anthropic/node-transport.js';
import { PROFILES, type ProfileName } from './anthropic/profiles.js';
import { integer, milliseconds, readEnvironment } from '../errors/environment.js';

const credential = z
  .string()
  .regex(/^[\x21-\x7e]+$/)
  .optional()
  .describe('printable ASCII without blanks, as the provider gave it');

export const modelConfig = registerAs('model', () =>
  readEnvironment(process.env, {
    ANTHROPIC_API_KEY: credential,
    ANTHROPIC_AUTH_TOKEN: credential,
    ANTHROPIC_BASE_URL: z
      .string()
      .refine(isBaseUrl)
      .optional()
      .describe(
        'an http or https address without /v1, credentials and query, like https://api.anthropic.com',
      ),
    ANTHROPIC_TRANSPORT: z
      .enum(TRANSPORTS)
      .default('node')
      .describe(`one of ${TRANSPORTS.join(', ')}`),
    MODEL: z
      .string()
      .regex(/^[\x21-\x7e]{1,200}$/)
      .default('claude-opus-5-5')
      .describe('the id of a model, 1 to 200 printable ASCII characters without blanks'),
    MODEL_PROFILE: z
      .enum(Object.keys(PROFILES) as ProfileName[])
      .default('anthropic')
      .describe(`one of ${Object.keys(PROFILES).join(', ')}`),
    MODEL_IDLE_MS: setting(milliseconds(1), 60_000),
    MAX_TOKENS: setting(integer(1, 1_000_000), 16_000),
    OFFLINE_MODEL_DELAY_MS: setting(milliseconds(0, 10_000), 25),
  }),
);

export type ModelConfig = ConfigType<typeof modelConfig>;

/** A default wraps the schema, and zod's wrappers do not carry the description on. */
function setting(schema: ReturnType<typeof integer>, value: number) {
  return schema.default(value).describe(schema.description ?? '');
}

function isBaseUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return false;
  return !/\/v1\/?$/.test(url.pathname);
}
