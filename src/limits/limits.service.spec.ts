import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConsoleLogger, Logger } from '@nestjs/common';
import type { Database } from '../database/database.js';
import { AppError } from '../errors/app-error.js';
import { Metrics } from '../telemetry/metrics.js';
import type { LimitRepository } from './limit.repository.js';
import type { LimitSettings } from './limits.config.js';
import { type LimitAnswer, Limits } from './limits.service.js';

const ADA = { tenantId: 'acme', userId: 'ada', keyId: 'key_1' };
const EVE = { tenantId: 'acme', userId: 'eve' };
const TOO_MANY = { code: 'too_many_requests' };

/** What was logged as a warning. */
class Notes extends ConsoleLogger {
  readonly lines: unknown[] = [];
  override warn(...said: unknown[]): void {
    this.lines.push(said);
  }
}

let now = 0;

class TimedLimits extends Limits {
  protected override now(): number {
    return now;
  }
}

/** Common counters that do not answer, and how often they were asked. */
class Away {
  asked = 0;
  private readonly fail = (): Promise<never> => {
    this.asked += 1;
    return Promise.reject(new AppError('unavailable', 'away'));
  };
  readonly take = this.fail;
  readonly claim = this.fail;
  readonly keep = this.fail;
  readonly beat = this.fail;
}

let metrics: Metrics;
let notes: Notes;

beforeEach(() => {
  metrics = new Metrics();
  notes = new Notes();
  Logger.overrideLogger(notes);
});
afterEach(() => {
  Logger.overrideLogger(false);
});

function limits(settings: Partial<LimitSettings>, shared?: Away): Limits {
  const config = {
    settings: { user: {}, key: {}, tenant: {}, ...settings },
    isSet: true,
  };
  const database = { exclusive: shared === undefined } as Database;
  return new TimedLimits(database, shared as unknown as LimitRepository, config, metrics);
}

const times = async (count: number, call: () => Promise<unknown>) => {
  for (let n = 0; n < count; n += 1) await call();
};

describe('the limits of a request', () => {
  it('are those of its user, its key and its tenant; what one refuses counts for none', async () => {
    const all = limits({
      user: { requests_per_minute: 9 },
      key: { requests_per_minute: 4 },
      tenant: { requests_per_minute: 11 },
    });
    await times(4, () => all.takeRequest(ADA));
    for (let n = 0; n < 20; n += 1)
      await expect(all.takeRequest(ADA)).rejects.toThrow('The key has used up its 4');

    await times(5, () => all.takeRequest({ ...ADA, keyId: undefined }));
    await expect(all.takeRequest({ ...ADA, keyId: 'key_2' })).rejects.toThrow('The user has used up its 9');
    await times(2, () => all.takeRequest(EVE));
    await expect(all.takeRequest(EVE)).rejects.toThrow('The tenant has used up its 11');
    expect(await metrics.text()).toContain(
      'agentline_limit_refusals_total{limit="requests_per_minute",party="key"} 20',
    );
  });

  it('are told, also when nothing is left', async () => {
    const told: LimitAnswer[] = [];
    const one = limits({ user: { requests_per_minute: 1 } });
    const tell = (answers: readonly LimitAnswer[]) => told.push(...answers);
    await one.takeRequest(ADA, tell);
    await expect(one.takeRequest(ADA, tell)).rejects.toMatchObject(TOO_MANY);
    expect(told.map(({ party, limit, left, isAllowed }) => [party, limit, left, isAllowed])).toEqual([
      ['user', 1, 0, true],
      ['user', 1, 0, false],
    ]);
  });

  it('bound its bytes; what no minute could hold is too large, and counts for nothing', async () => {
    const all = limits({ user: { bytes_per_minute: 100 } });
    await expect(all.admit(ADA, 101)).rejects.toMatchObject({ code: 'payload_too_large' });
    await all.admit(ADA, 100);
    await all.admit(ADA, 0);
    await expect(all.admit(ADA, 1)).rejects.toMatchObject(TOO_MANY);
  });
});

describe('the limits of streams', () => {
  it('are those of user and tenant; what one refuses is taken from none', async () => {
    const all = limits({ user: { streams: 2 }, tenant: { streams: 3 } });
    const release = await all.openStream(ADA);
    await all.openStream(ADA);
    for (let n = 0; n < 5; n += 1)
      await expect(all.openStream(ADA)).rejects.toThrow('The user has 2 streams open');
    await all.openStream(EVE);
    for (let n = 0; n < 5; n += 1)
      await expect(all.openStream(EVE)).rejects.toThrow('The tenant has 3 streams open');

    release();
    release();
    await all.openStream(EVE);
    await expect(all.openStream(ADA)).rejects.toMatchObject(TOO_MANY);
  });
});

describe('common counters that are away', () => {
  it('are said to be once, are not asked again and again, and leave each node its own count', async () => {
    const shared = new Away();
    const all = limits({ user: { requests_per_minute: 100, streams: 10 } }, shared);
    await times(100, () => all.takeRequest(ADA));
    await expect(all.takeRequest(ADA)).rejects.toMatchObject(TOO_MANY);
    await times(10, () => all.openStream(ADA));
    await expect(all.openStream(ADA)).rejects.toMatchObject(TOO_MANY);

    expect(notes.lines).toHaveLength(1);
    expect(shared.asked).toBe(1);
    now += 999;
    await expect(all.openStream(ADA)).rejects.toMatchObject(TOO_MANY);
    expect(shared.asked).toBe(1);
    now += 1;
    await expect(all.openStream(ADA)).rejects.toMatchObject(TOO_MANY);
    expect(shared.asked).toBe(2);
    await all.onApplicationShutdown();
  });
});
