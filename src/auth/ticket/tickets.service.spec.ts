import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiKeyRepository } from '../api-key/api-key.repository.js';
import { newId } from '../../database/ids.js';
import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import type { Principal } from '../principal.js';
import { LoginRepository } from '../session/login.repository.js';
import { Accounts } from '../accounts.service.js';
import { Passwords } from '../users/passwords.js';
import { UserRepository } from '../users/user.repository.js';
import { TicketRepository } from './ticket.repository.js';
import { Tickets } from './tickets.service.js';

describe('A ticket', () => {
  let database: SqliteDatabase;
  let tickets: Tickets;
  let users: UserRepository;
  let logins: LoginRepository;
  let owner: Principal;
  const sessionId = newId('ses');

  beforeEach(async () => {
    database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    users = new UserRepository(database);
    logins = new LoginRepository(database);
    tickets = new Tickets(
      new TicketRepository(database),
      new Accounts(users, new Passwords(), logins, new ApiKeyRepository(database)),
    );
    const id = newId('usr');
    await users.insert({ id, tenantId: 'acme', email: 'a@b', passwordHash: '', roles: ['member'] });
    await logins.insert('login', id, '{}');
    owner = {
      userId: id,
      tenantId: 'acme',
      email: 'a@b',
      roles: ['member'],
      via: 'cookie',
      loginId: 'login',
      expiresAt: null,
    };
    await insertSession(sessionId, owner);
  });
  afterEach(() => database.close());

  function insertSession(id: string, of: Principal) {
    const row = { id, tenant_id: of.tenantId, user_id: of.userId, metadata_json: '{}' };
    return database
      .acrossTenants()
      .insertInto('sessions')
      .values({ ...row, created_at: 1, updated_at: 1 })
      .execute();
  }

  it('stands for its maker once', async () => {
    const { ticket, expires_in } = await tickets.create(owner, sessionId);

    expect(expires_in).toBe(30);
    expect(await tickets.redeem(ticket, sessionId)).toEqual({ ...owner, via: 'ticket' });
    expect(await tickets.redeem(ticket, sessionId)).toBeUndefined();
  });

  it('goes to one of many who come at once', async () => {
    const { ticket } = await tickets.create(owner, sessionId);

    const got = await Promise.all(Array.from({ length: 10 }, () => tickets.redeem(ticket, null)));

    expect(got.filter((principal) => principal !== undefined)).toHaveLength(1);
  });

  it('is kept as a hash only, for 30 s', async () => {
    const { ticket } = await tickets.create(owner, sessionId);

    const [row] = await database.kysely.selectFrom('tickets').selectAll().execute();
    expect(row!.ticket_hash).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(row)).not.toContain(ticket);
    expect(Math.abs(row!.expires_at - Date.now() - 30_000)).toBeLessThan(1000);
  });

  it('is worth nothing after its time, and is deleted then', async () => {
    const { ticket } = await tickets.create(owner, sessionId);
    await database.kysely
      .updateTable('tickets')
      .set({ expires_at: Date.now() - 1 } as never)
      .execute();

    expect(await tickets.redeem(ticket, sessionId)).toBeUndefined();
    await new TicketRepository(database).deleteExpired();
    expect(await database.kysely.selectFrom('tickets').selectAll().execute()).toEqual([]);
  });

  it('opens no other session than its own, and is used up by the attempt', async () => {
    const { ticket } = await tickets.create(owner, sessionId);

    expect(await tickets.redeem(ticket, newId('ses'))).toBeUndefined();
    expect(await tickets.redeem(ticket, sessionId)).toBeUndefined();
  });

  it('is not made for a session of another user, another tenant, or nobody', async () => {
    const foreign = newId('ses');
    await insertSession(foreign, { ...owner, userId: 'usr_other' });
    const otherTenant = { ...owner, tenantId: 'default' };

    await expect(tickets.create(owner, foreign)).rejects.toMatchObject({ code: 'not_found' });
    await expect(tickets.create(otherTenant, sessionId)).rejects.toMatchObject({ code: 'not_found' });
    await expect(tickets.create(owner, newId('ses'))).rejects.toMatchObject({ code: 'not_found' });
    await expect(tickets.create(owner, "' or 1=1\0")).rejects.toMatchObject({ code: 'not_found' });
    expect(await database.kysely.selectFrom('tickets').selectAll().execute()).toEqual([]);
  });

  it('ends with the login that made it', async () => {
    const { ticket } = await tickets.create(owner, sessionId);
    await logins.delete('login');

    expect(await tickets.redeem(ticket, sessionId)).toBeUndefined();
  });

  it('ends with the token that made it, and keeps its end', async () => {
    const expiresAt = Date.now() + 60_000;
    const bearer: Principal = { ...owner, via: 'bearer', loginId: null, expiresAt };
    const live = await tickets.create(bearer, sessionId);
    const dead = await tickets.create({ ...bearer, expiresAt: Date.now() - 1 }, sessionId);

    expect(await tickets.redeem(live.ticket, null)).toMatchObject({ via: 'ticket', expiresAt });
    expect(await tickets.redeem(dead.ticket, null)).toBeUndefined();
  });

  it('shows the roles of today, and none of a disabled user', async () => {
    const [first, second] = [await tickets.create(owner, sessionId), await tickets.create(owner, sessionId)];
    await users.update(owner.userId, 'acme', { roles: ['admin'] });
    expect(await tickets.redeem(first.ticket, null)).toMatchObject({ roles: ['admin'] });

    await users.update(owner.userId, 'acme', { disabled: true });
    expect(await tickets.redeem(second.ticket, null)).toBeUndefined();
  });
});
