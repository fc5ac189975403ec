import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { integer, jsonVariable, objectError, readEnvironment } from '../errors/environment.js';

const EXAMPLE = 'JSON like {"user":{"requests_per_minute":600,"streams":50},"tenant":{"runs":200}}';

const count = z
  .int('must be a whole number above 0')
  .positive('must be a whole number above 0')
  .max(1_000_000_000, 'must be a whole number up to 1000000000');

const part = z.strictObject(
  {
    /** Calls over HTTP and messages on sockets. */
    requests_per_minute: count.optional(),
    /** Open at the same time, over HTTP and as sockets. */
    streams: count.optional(),
    /** Open at the same time. */
    runs: count.optional(),
    /** Of bodies and messages. */
    bytes_per_minute: count.optional(),
  },
  { error: objectError },
);

const limits = z.strictObject(
  { user: part.optional(), key: part.optional(), tenant: part.optional() },
  { error: objectError },
);

export type LimitsPart = z.output<typeof part>;
export type LimitSettings = Record<'user' | 'key' | 'tenant', LimitsPart>;

/** So much that no honest client meets it, and that one user cannot take the whole server. */
const GENEROUS: LimitsPart = { requests_per_minute: 600_000, streams: 20_000, runs: 5_000 };

export const limitsConfig = registerAs('limits', () => {
  const { LIMITS, SIGN_IN_FAILURES } = readEnvironment(process.env, {
    LIMITS: jsonVariable(limits, EXAMPLE).optional(),
    SIGN_IN_FAILURES: integer(
      1,
      1_000_000,
      'how many failed sign-ins of one account from one address an hour, a whole number from 1 to 1000000',
    ).default(100),
  });
  const { user = {}, key = {}, tenant = {} } = LIMITS ?? {};
  const settings: LimitSettings = { user: { ...GENEROUS, ...user }, key, tenant };
  return {
    settings,
    /**
     * Somebody has said what is allowed: it is counted over all nodes, and clients are told how much is left. The
     * bounds that hold otherwise are for a server, which counts alone.
     */
    isSet: LIMITS !== undefined,
    /** Failed sign-ins an hour: of one account from one address, and from one address. */
    signInFailures: { account: SIGN_IN_FAILURES, address: SIGN_IN_FAILURES * 5 },
  };
});

export type LimitsConfig = ConfigType<typeof limitsConfig>;
