import { expect, it } from '@jest/globals';
import { CompiledQuery, createQueryId, type KyselyPlugin, type RootOperationNode } from 'kysely';
import { openSqlite } from '../../../test/support/databases.js';
import { over } from '../../../test/support/over.js';
import { LEASE_MS } from '../../../test/support/runs/run-bench.js';
import { LeaseRepository } from './lease.repository.js';

it('a run to claim is looked for among the open ones, not among all that there ever were', async () => {
  const database = await openSqlite();
  const asked: RootOperationNode[] = [];
  const note: KyselyPlugin = {
    transformQuery: ({ node }) => {
      asked.push(node);
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  };
  const all = database.acrossTenants();
  const noted = over(database, { acrossTenants: () => all.withPlugin(note) });
  const leases = new LeaseRepository(noted, { LEASE_MS });
  await leases.claimNext(['run_1']);
  await leases.hasQueued();

  expect(asked).toHaveLength(2);
  for (const node of asked) {
    const { sql, parameters } = all.getExecutor().compileQuery(node, createQueryId());
    const plan = CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]);
    const { rows } = await all.executeQuery<{ detail: string }>(plan);
    const steps = rows.map(({ detail }) => detail);
    expect(steps).toContainEqual(expect.stringContaining('SEARCH r USING INDEX runs_open'));
    expect(steps).not.toContainEqual(expect.stringContaining('SCAN'));
  }
  await database.close();
});
