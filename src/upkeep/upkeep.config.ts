import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { readEnvironment } from '../errors/environment.js';

export const upkeepConfig = registerAs('upkeep', () =>
  readEnvironment(process.env, {
    TITLE_MODEL: z
      .string()
      .regex(/^[\x21-\x7e]{1,200}$/)
      .optional()
      .describe('the id of a model, or `none` for no titles'),
  }),
);

export type UpkeepConfig = ConfigType<typeof upkeepConfig>;
