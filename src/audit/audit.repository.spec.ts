import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { onEachDatabase } from '../../test/support/databases.js';
import type { Database } from '../database/database.js';
import { newId } from '../database/ids.js';
import type { AuditRow, NewAuditRow } from './audit-row.js';
import { type AuditFilter, type AuditPlace, AuditRepository } from './audit.repository.js';

const DAY_MS = 86_400_000;

const ROW: NewAuditRow = {
  id: '',
  happened: Date.now(),
  tenantId: null,
  actorId: 'usr_1',
  actorVia: 'key',
  keyId: 'key_1',
  action: 'run.start',
  target: 'run_1',
  outcome: 'allowed',
  code: null,
  remoteAddress: '203.0.113.9',
  userAgent: 'probe',
  requestId: 'req-1',
  details: { session_id: 'ses_1', roles: ['admin'] },
  count: 3,
  account: null,
};

const actionsOf = (rows: AuditRow[]) => rows.map(({ action }) => action);

onEachDatabase('the table of the audit', (open) => {
  let database: Database;
  let forever: AuditRepository;
  let aDay: AuditRepository;
  let tenantId: string;

  beforeEach(async () => {
    database = await open();
    forever = new AuditRepository(database, { AUDIT_RETENTION_DAYS: undefined });
    aDay = new AuditRepository(database, { AUDIT_RETENTION_DAYS: 1 });
    tenantId = newId('usr');
  });
  afterEach(() => database.close());

  const row = (fields: Partial<NewAuditRow> = {}): NewAuditRow => ({
    ...ROW,
    id: newId('aud'),
    tenantId,
    ...fields,
  });
  const read = (filter: Partial<AuditFilter> = {}, after?: AuditPlace, size = 100): Promise<AuditRow[]> =>
    forever.page({ tenantId, withUnknown: false, ...filter }, 'newest-first', after, size);

  it('keeps all that an entry says, at the time when it happened', async () => {
    const written = row({ happened: Date.now() - 60_000 });
    await forever.insert([written]);
    const [stored] = await read();
    const { happened: _, account: __, ...said } = written;
    const { at, ...rest } = stored!;
    expect(rest).toEqual(said);
    expect(Math.abs(Date.now() - 60_000 - at)).toBeLessThan(30_000);
  });

  it('takes the same entry twice as once', async () => {
    const one = row();
    await forever.insert([one]);
    await forever.insert([one, row({ action: 'run.cancel' })]);
    expect(actionsOf(await read()).toSorted()).toEqual(['run.cancel', 'run.start']);
  });

  it.each([
    ['update', () => sql`update audit_events set count = 1`],
    ['update of one column to itself', () => sql`update audit_events set actor_id = actor_id`],
    ['delete', () => sql`delete from audit_events`],
  ])('refuses every %s', async (_name, statement) => {
    await forever.insert([row()]);
    await aDay.insert([row()]);
    await expect(statement().execute(database.kysely)).rejects.toThrow('append-only');
    expect(await read()).toHaveLength(2);
  });

  it('is emptied by no other word either', async () => {
    const one = row();
    await forever.insert([one]);
    const { id } = one;
    const isSqlite = database.exclusive;
    const statement = isSqlite
      ? sql`replace into audit_events (id, at, action, outcome, count) values (${id}, 1, 'x', 'allowed', 1)`
      : sql`truncate audit_events`;
    const outcome = await statement.execute(database.kysely).then(
      () => 'passed over',
      (error: Error) => error.message,
    );
    expect(outcome).toMatch(isSqlite ? /^passed over$/ : /append-only/);
    expect(await read()).toMatchObject([{ id, action: 'run.start' }]);
  });

  it('lets go only of what is past its time, which no later setting shortens or lengthens', async () => {
    const now = Date.now();
    await aDay.insert([row({ action: 'old', happened: now - 2 * DAY_MS })]);
    await aDay.insert([row({ action: 'young', happened: now - DAY_MS / 2 })]);
    await forever.insert([row({ action: 'for ever', happened: now - 2 * DAY_MS })]);
    expect(await forever.deleteExpired()).toBe(1);
    expect(await forever.deleteExpired()).toBe(0);
    expect(actionsOf(await read()).toSorted()).toEqual(['for ever', 'young']);
  });

  it('gives a sign-in that failed to the account that was tried, where there is one', async () => {
    const [user, email] = [newId('usr'), `${tenantId}@example.com`];
    await sql`insert into users (id, tenant_id, email, password_hash, roles_json, created_at)
      values (${user}, ${tenantId}, ${email}, '', '[]', 1)`.execute(database.kysely);
    const tried = row({ tenantId: null, actorId: null, target: null });
    await forever.insert([
      { ...tried, account: email },
      { ...tried, id: newId('aud'), account: `no-${email}`, action: 'unknown' },
    ]);
    expect(await read()).toMatchObject([{ tenantId, target: user, actorId: null }]);
    expect(actionsOf(await read({ withUnknown: true }))).toContain('unknown');
  });

  it('shows one tenant, page after page in one order, also where rows have the same time', async () => {
    const ids = Array.from({ length: 7 }, (_, n) => `aud_${n}`);
    const now = Date.now();
    const prefix = newId('aud');
    await forever.insert(
      ids.map((id, n) => row({ id: `${prefix}${id}`, happened: now + (n < 4 ? 0 : 50), target: id })),
    );
    await forever.insert([row({ tenantId: `${tenantId}-2` })]);
    const whole = await read();
    expect(whole.map(({ target }) => target)).toEqual([6, 5, 4, 3, 2, 1, 0].map((n) => `aud_${n}`));
    const paged: (string | null)[] = [];
    let place: AuditPlace | undefined;
    for (;;) {
      const page = await read({}, place, 2);
      paged.push(...page.map(({ target }) => target));
      const last = page.at(-1);
      if (last === undefined) break;
      place = { at: last.at, id: last.id };
    }
    expect(paged).toEqual(whole.map(({ target }) => target));
  });

  it('shows what is asked for: by actor, target and time', async () => {
    const now = Date.now();
    await forever.insert([
      row({ action: 'a', actorId: 'usr_2', happened: now - 3_600_000 }),
      row({ action: 'b', target: 'run_2', happened: now }),
    ]);
    expect(actionsOf(await read({ actorId: 'usr_2' }))).toEqual(['a']);
    expect(actionsOf(await read({ target: 'run_2' }))).toEqual(['b']);
    expect(actionsOf(await read({ from: Date.now() - 600_000 }))).toEqual(['b']);
    expect(actionsOf(await read({ to: Date.now() - 600_000 }))).toEqual(['a']);
  });
});
