import { afterEach, describe, expect, it } from '@jest/globals';
import { IN_MEMORY, SqliteDatabase } from '../database/sqlite/sqlite-database.js';
import { AuditRepository } from './audit.repository.js';
import { Audit } from './audit.service.js';

const STATEMENTS = 200;

/** Has many old rows, and deletes them without ever waiting for anything. */
class FullRepository extends AuditRepository {
  statements = 0;

  override deleteExpired(): Promise<number> {
    if (this.statements === STATEMENTS) return Promise.resolve(0);
    this.statements += 1;
    return Promise.resolve(1_000);
  }
}

describe('the audit', () => {
  const repository = new FullRepository(new SqliteDatabase(IN_MEMORY), { AUDIT_RETENTION_DAYS: 1 });
  const audit = new Audit(repository);
  afterEach(() => audit.onApplicationShutdown());

  it('lets everything else happen between the statements that delete old rows, and deletes all', async () => {
    audit.onApplicationBootstrap();
    await new Promise(setImmediate);
    expect(repository.statements).toBeLessThan(5);
    while (repository.statements < STATEMENTS) await new Promise(setImmediate);
  });
});
