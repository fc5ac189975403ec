import { registerAs, type ConfigType } from '@nestjs/config';
import { integer, readEnvironment } from '../errors/environment.js';

/** How long entries are kept. Each keeps the time that was set when it was written. */
export const auditConfig = registerAs('audit', () =>
  readEnvironment(process.env, {
    AUDIT_RETENTION_DAYS: integer(
      1,
      36_500,
      'days, a whole number from 1 to 36500; not set: for ever',
    ).optional(),
  }),
);

export type AuditConfig = ConfigType<typeof auditConfig>;
