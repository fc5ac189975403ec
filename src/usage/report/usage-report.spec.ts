import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import type { Principal } from '../../auth/principal.js';
import type { Database } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import { usageQuery } from './requests.js';
import { UsageReportRepository } from './usage-report.repository.js';
import { viewUsage } from './views.js';

const ADA: Principal = {
  userId: 'ada',
  tenantId: 'acme',
  email: null,
  roles: ['member'],
  via: 'bearer',
  loginId: null,
  expiresAt: null,
};
const ADMIN: Principal = { ...ADA, userId: 'root', roles: ['admin'] };

onEachDatabase('the usage report', (open) => {
  let database: Database;

  beforeEach(async () => {
    database = await open();
    await insert('2026-11-24T23:59:59.999Z', { input: 10, output: 5, cost: 100 });
    await insert('2026-11-25T00:00:00.000Z', { input: 20, output: 5, read: 60, created: 20, cost: 300 });
    await insert('2026-11-25T12:00:00.000Z', { input: 1, output: 1, cost: 0, model: 'Zeta', kind: 'title' });
    await insert('2026-11-25T12:00:00.000Z', { input: 1, output: 1, cost: null, state: 'left' });
    await insert('2026-11-25T12:00:00.000Z', { input: 7, output: 7, cost: 50, user: 'bob' });
    await insert('2026-11-25T12:00:00.000Z', { input: 9, output: 9, cost: 9, tenant: 'other' });
    await insert('2026-11-25T12:00:00.000Z', { input: 9, output: 9, cost: 9, state: 'reserved' });
    await insert('2026-11-25T12:00:00.000Z', { input: 0, output: 0, cost: 0, state: 'refused' });
  });
  afterEach(() => database.close());

  interface Call {
    input: number;
    output: number;
    cost: number | null;
    read?: number;
    created?: number;
    model?: string;
    kind?: string;
    state?: string;
    user?: string;
    tenant?: string;
  }

  async function insert(at: string, call: Call): Promise<void> {
    await database
      .acrossTenants()
      .insertInto('model_calls')
      .values({
        id: newId('call'),
        tenant_id: call.tenant ?? 'acme',
        user_id: call.user ?? 'ada',
        session_id: 'ses_1',
        run_id: 'run_1',
        root_run_id: 'run_1',
        attempt: 1,
        kind: call.kind ?? 'turn',
        model: call.model ?? 'alpha',
        state: call.state ?? 'spent',
        input_tokens: call.input,
        output_tokens: call.output,
        cache_read_input_tokens: call.read ?? 0,
        cache_creation_input_tokens: call.created ?? 0,
        estimated: call.state === 'left' ? 1 : 0,
        cost_micro_usd: call.cost,
        started_at: Date.parse(at),
      })
      .execute();
  }

  async function report(principal: Principal, query: Record<string, string>) {
    const asked = usageQuery.parse({ from: '2026-11-24', to: '2026-11-25', ...query });
    return viewUsage(await new UsageReportRepository(database).read(principal, asked), asked);
  }

  const sums = { cache_read_input_tokens: 0, cache_creation_input_tokens: 0, cache_hit_ratio: 0 };

  it('tells days in UTC and models, and a cost only where all of it is known', async () => {
    expect(await report(ADA, {})).toEqual({
      from: '2026-11-24T00:00:00.000Z',
      to: '2026-11-26T00:00:00.000Z',
      data: [
        {
          ...sums,
          day: '2026-11-24',
          model: 'alpha',
          model_calls: 1,
          input_tokens: 10,
          output_tokens: 5,
          estimated: false,
          cost_usd: 0.0001,
          known_cost_usd: 0.0001,
        },
        {
          ...sums,
          day: '2026-11-25',
          model: 'Zeta',
          model_calls: 1,
          input_tokens: 1,
          output_tokens: 1,
          estimated: false,
          cost_usd: 0,
          known_cost_usd: 0,
        },
        {
          day: '2026-11-25',
          model: 'alpha',
          model_calls: 2,
          input_tokens: 21,
          output_tokens: 6,
          cache_read_input_tokens: 60,
          cache_creation_input_tokens: 20,
          estimated: true,
          cost_usd: null,
          known_cost_usd: 0.0003,
          cache_hit_ratio: 60 / 101,
        },
      ],
    });
  });

  it('tells administrators of their tenant, by user', async () => {
    const { data } = await report(ADMIN, { group_by: 'user' });
    expect(data).toMatchObject([
      { user_id: 'ada', model_calls: 4, output_tokens: 12 },
      { user_id: 'bob', model_calls: 1, output_tokens: 7 },
    ]);
    expect((await report(ADA, { group_by: 'user' })).data).toMatchObject([{ user_id: 'ada' }]);
    expect((await report({ ...ADMIN, tenantId: 'third' }, {})).data).toEqual([]);
  });

  it('takes instants, the end excluded', async () => {
    const times = { from: '2026-11-25T01:00:00+01:00', to: '2026-11-25T12:00:00Z' };
    expect((await report(ADA, { ...times, group_by: 'kind' })).data).toMatchObject([
      { kind: 'turn', model_calls: 1, input_tokens: 20 },
    ]);
  });

  it('tells of every kind of call', async () => {
    expect((await report(ADA, { group_by: 'kind,model' })).data).toMatchObject([
      { kind: 'title', model: 'Zeta', model_calls: 1 },
      { kind: 'turn', model: 'alpha', model_calls: 3 },
    ]);
  });
});
