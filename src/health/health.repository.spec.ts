import { afterEach, describe, expect, it } from '@jest/globals';
import {
  DummyDriver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Database } from '../database/database.js';
import type { Schema } from '../database/schema.js';
import { HealthRepository } from './health.repository.js';

/** A database whose answers the test gives one by one. */
class SlowDriver extends DummyDriver {
  readonly asked: string[] = [];
  readonly answers = [
    Promise.withResolvers<QueryResult<never>>(),
    Promise.withResolvers<QueryResult<never>>(),
  ];

  override async acquireConnection() {
    return {
      executeQuery: ({ sql }: { sql: string }) => this.answers[this.asked.push(sql) - 1]!.promise,
      streamQuery: () => {
        throw new Error('not used');
      },
    };
  }
}

let kysely: Kysely<Schema>;

function repository(driver: SlowDriver) {
  kysely = new Kysely<Schema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => driver,
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
  return new HealthRepository({ kysely } as Database);
}

afterEach(() => kysely.destroy());

describe('asking the database', () => {
  it('asks once for many probes while no answer has come, and anew afterwards', async () => {
    const driver = new SlowDriver();
    const health = repository(driver);
    const probes = [health.ping(), health.ping(), health.ping()];
    driver.answers[0]!.resolve({ rows: [] });
    await Promise.all(probes);
    expect(driver.asked).toEqual(['select 1']);
    driver.answers[1]!.resolve({ rows: [] });
    await health.ping();
    expect(driver.asked).toEqual(['select 1', 'select 1']);
  });

  it('fails with the database, and asks anew afterwards', async () => {
    const driver = new SlowDriver();
    const health = repository(driver);
    const probe = health.ping();
    driver.answers[0]!.reject(new Error('gone'));
    await expect(probe).rejects.toThrow('gone');
    driver.answers[1]!.resolve({ rows: [] });
    await expect(health.ping()).resolves.toBeUndefined();
  });
});
