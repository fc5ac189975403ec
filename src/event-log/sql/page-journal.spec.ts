import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import { newId } from '../../database/ids.js';
import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import type { LogPage } from '../event-log.js';
import { PageJournal } from './page-journal.js';
import { PageRepository } from './page.repository.js';

const LONG = 'x'.repeat(5_000);

/** A log's store that may be killed: what it holds in memory is gone then. */
class Bench {
  readonly database = new SqliteDatabase(IN_MEMORY);
  readonly pages = new PageRepository(this.database);
  journal = this.begin();

  begin(): PageJournal {
    this.journal = new PageJournal(this.database.inProcess);
    return this.journal;
  }

  async setAttempt(runId: string, attempt: number): Promise<void> {
    await sql`insert into runs (id, tenant_id, user_id, session_id, number, status, attempt, model, principal_json,
      on_disconnect, usage_json, created_at) values (${runId}, 'default', 'usr_1', ${`ses_${runId}`}, 1, 'running',
      ${attempt}, 'm', '{}', 'continue', '{}', 1) on conflict (id) do update set attempt = ${attempt}`.execute(
      this.database.acrossTenants(),
    );
  }

  /** From now on, or no longer, there is no page of the disk left. */
  async fillDisk(isFull = true): Promise<void> {
    const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(this.database.kysely);
    const most = isFull ? rows[0]!.page_count : 100_000;
    await sql`pragma max_page_count = ${sql.lit(most)}`.execute(this.database.kysely);
  }

  rows(table: 'run_pages' | 'run_journal'): Promise<number> {
    return this.database.inProcess.transaction(
      (statements) => (statements.get(`select count(*) as n from ${table}`) as { n: number }).n,
    );
  }

  /** All that the log has of a run, as readers get it. */
  async read(runId: string): Promise<string[]> {
    await this.journal.settleRuns([runId]);
    const read = await this.pages.readAfter(runId, { seq: 0 });
    return read === 'removed' ? [] : read.pages.flatMap(lines);
  }
}

const page = (runId: string, firstSeq: number, attempt = 1, ...words: string[]): LogPage => ({
  runId,
  attempt,
  firstSeq,
  entries: (words.length === 0 ? ['w'] : words).map((text) => ({
    type: 'token',
    data: JSON.stringify({ text }),
  })),
});

const lines = ({ attempt, firstSeq, entries }: LogPage): string[] =>
  entries.map(({ data }, index) => `${attempt}.${firstSeq + index} ${data.length}`);

describe('the journal of pages', () => {
  let bench: Bench;
  let [a, b]: [string, string] = ['', ''];
  beforeEach(async () => {
    bench = new Bench();
    [a, b] = [newId('run'), newId('run')];
    await bench.database.open();
    await bench.setAttempt(a, 1);
    await bench.setAttempt(b, 1);
  });
  afterEach(() => bench.database.close());

  it('writes what many runs say as one row, and as one page a run when it is read', async () => {
    await bench.journal.insert([page(a, 1), page(b, 1), page(a, 2)]);
    await bench.journal.insert([page(a, 3, 1, 'with\ttab', 'and\nline')]);

    expect(await bench.rows('run_journal')).toBe(2);
    expect(await bench.rows('run_pages')).toBe(0);
    expect(await bench.read(a)).toEqual(['1.1 12', '1.2 12', '1.3 20', '1.4 20']);
    expect(await bench.rows('run_pages')).toBe(1);
  });

  it('refuses pages of an attempt that is over, and no others with them', async () => {
    await bench.setAttempt(a, 2);

    const outcomes = await bench.journal.insert([page(a, 1), page(b, 1)]);

    expect([...outcomes]).toEqual([
      [`${a}.1`, 'fenced'],
      [`${b}.1`, 'accepted'],
    ]);
    expect(await bench.read(a)).toEqual([]);
    expect(await bench.read(b)).toEqual(['1.1 12']);
  });

  it('loses nothing of what was committed when its process is killed, and says nothing twice', async () => {
    await bench.journal.insert([page(a, 1), page(b, 1)]);
    await bench.journal.settleRuns([a]);
    await bench.journal.insert([page(a, 2), page(b, 2, 1, LONG, LONG)]);
    bench.begin();

    expect(await bench.read(a)).toEqual(['1.1 12', '1.2 12']);
    expect(await bench.read(b)).toEqual(['1.1 12', '1.2 5011', '1.3 5011']);
    expect(await bench.rows('run_journal')).toBe(0);
  });

  it('opens without space, tells what was said from memory, and makes pages of it once there is space', async () => {
    for (let seq = 1; seq <= 5; seq += 1)
      await bench.journal.insert([page(a, seq, 1, LONG), page(b, seq, 1, 'w')]);
    await bench.journal.insert([page(b, 6, 1, LONG)]);
    await bench.fillDisk();
    bench.begin();

    await bench.journal.open();

    const kept = bench.journal.after(b, { seq: 4 });
    expect(kept?.pages.flatMap(lines)).toEqual(['1.5 12', '1.6 5011']);
    await expect(bench.journal.settle()).rejects.toMatchObject({ code: 'storage_full' });
    await expect(bench.journal.insert([page(b, 7, 1, LONG, LONG)])).rejects.toMatchObject({
      code: 'storage_full',
    });
    await bench.fillDisk(false);
    await bench.journal.insert([page(b, 7)]);
    await bench.journal.settle();
    expect(await bench.rows('run_journal')).toBe(0);
    bench.begin();
    expect(await bench.read(a)).toHaveLength(5);
    expect(await bench.read(b)).toHaveLength(7);
  });

  it('forgets a run without space for pages of the others, and for good', async () => {
    await bench.journal.insert([page(a, 1), page(b, 1, 1, LONG)]);
    await bench.journal.insert([page(a, 2)]);
    await bench.journal.insert([page(b, 2)]);
    await bench.fillDisk();

    await bench.journal.remove(a);

    expect(bench.journal.end(a)).toBeUndefined();
    expect(bench.journal.end(b)).toMatchObject({ seq: 2 });
    await bench.fillDisk(false);
    bench.begin();
    expect(await bench.read(a)).toEqual([]);
    expect(await bench.read(b)).toEqual(['1.1 5011', '1.2 12']);
  });

  it('does not bring back what was removed with its run', async () => {
    await bench.journal.insert([page(a, 1), page(b, 1)]);
    await bench.database.acrossTenants().deleteFrom('runs').where('id', '=', a).execute();
    bench.begin();

    expect(await bench.read(b)).toEqual(['1.1 12']);
    expect(await bench.rows('run_pages')).toBe(1);
  });

  it('makes a page at once of what is large, with what stood before it', async () => {
    await bench.journal.insert([page(a, 1)]);
    await bench.journal.insert([page(a, 2, 1, LONG, LONG)]);

    expect(await bench.rows('run_pages')).toBe(2);
    expect(bench.journal.end(a)).toBeUndefined();
  });

  it('knows the end of what it keeps', async () => {
    await bench.journal.insert([page(a, 1), page(a, 2, 1, 'x', 'y')]);

    expect(bench.journal.end(a)).toEqual({ attempt: 1, seq: 3, type: 'token' });
    expect(bench.journal.end(b)).toBeUndefined();
  });

  it('tells what follows a place that it keeps, and nothing where it does not have all', async () => {
    await bench.journal.insert([page(a, 1, 1, 'x', 'y'), page(b, 1, 1, LONG, LONG)]);
    await bench.journal.insert([page(a, 3), page(b, 3)]);
    const after = (runId: string, seq: number, attempt?: number) => {
      const found = bench.journal.after(runId, { seq, attempt });
      return found && [found.attempt, ...found.pages.flatMap(lines)];
    };

    expect(after(a, 0)).toEqual([undefined, '1.1 12', '1.2 12', '1.3 12']);
    expect(after(a, 2, 1)).toEqual([1, '1.3 12']);
    expect(after(a, 3)).toEqual([1]);
    expect(after(a, 2, 2)).toBeUndefined();
    expect(after(a, 4)).toBeUndefined();
    expect(after(b, 0)).toBeUndefined();
    expect(after(b, 2, 1)).toBeUndefined();
  });

  it('keeps nothing of a commit that failed', async () => {
    await bench.journal.insert([page(a, 1)]);
    await bench.database.kysely.schema.dropTable('run_journal').execute();

    await expect(bench.journal.insert([page(a, 2)])).rejects.toThrow('run_journal');

    expect(bench.journal.end(a)).toMatchObject({ seq: 1 });
    expect(await bench.read(a)).toEqual(['1.1 12']);
  });

  it('waits for a transaction that is open, so that it is not undone with it', async () => {
    const open = Promise.withResolvers<void>();
    const fails = bench.database.transaction(async (trx) => {
      await sql`update runs set model = 'other'`.execute(bench.database.acrossTenants(trx));
      open.resolve();
      await new Promise(setImmediate);
      throw new Error('undone');
    });
    await open.promise;
    const written = bench.journal.insert([page(a, 1)]);

    await expect(fails).rejects.toThrow('undone');
    expect([...(await written).values()]).toEqual(['accepted']);
    bench.begin();
    expect(await bench.read(a)).toEqual(['1.1 12']);
  });

  it('has what was accepted, each once and in order, whatever happens', async () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ run: fc.nat(1), words: fc.integer({ min: 1, max: 3 }), isLong: fc.boolean() }),
      },
      { weight: 3, arbitrary: fc.constantFrom('kill', 'settle', 'read', 'look', 'take over', 'stale') },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const runs = [newId('run'), newId('run')].map((id) => ({ id, attempt: 1, said: [] as string[] }));
        for (const { id } of runs) await bench.setAttempt(id, 1);
        const [first, second] = runs;
        for (const each of steps) {
          if (each === 'kill') bench.begin();
          else if (each === 'settle') await bench.journal.settle();
          else if (each === 'look') {
            const kept = bench.journal.after(second!.id, { seq: 0 });
            if (kept !== undefined) expect(kept.pages.flatMap(lines)).toEqual(second!.said);
          } else if (each === 'read') expect(await bench.read(first!.id)).toEqual(first!.said);
          else if (each === 'take over') await bench.setAttempt(first!.id, (first!.attempt += 1));
          else if (each === 'stale') await bench.journal.insert([page(first!.id, 1, first!.attempt + 1)]);
          else {
            const { id, attempt, said } = runs[each.run]!;
            const words = Array.from({ length: each.words }, () => (each.isLong ? LONG : 'w'));
            const next = page(id, said.length + 1, attempt, ...words);
            await bench.journal.insert([next]);
            said.push(...lines(next));
          }
        }
        for (const { id, said } of runs) expect(await bench.read(id)).toEqual(said);
      }),
      { numRuns: 40 },
    );
  });
});
