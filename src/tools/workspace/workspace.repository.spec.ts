import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import type { Database } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import { sha256Of } from './text-file.js';
import { type ChangeStart, WorkspaceRepository } from './workspace.repository.js';

const OWNER = { tenant_id: 'acme', user_id: 'ada' };

function change(runId: string, workspaceId: string, before: string | null, next: string): ChangeStart {
  const current = before === null ? null : { text: before, sha256: sha256Of(before) };
  return { runId, workspaceId, toolCallId: 'toolu_1', path: 'a.txt', current, next: sha256Of(next) };
}

onEachDatabase('WorkspaceRepository', (open) => {
  let database: Database;
  let records: WorkspaceRepository;
  let runs = 0;

  beforeEach(async () => {
    database = await open();
    records = new WorkspaceRepository(database);
  });
  afterEach(() => database.close());

  async function createSession(parentRunId: string | null = null): Promise<string> {
    const id = newId('ses');
    const times = { created_at: 1, updated_at: 1 };
    await database
      .acrossTenants()
      .insertInto('sessions')
      .values({ id, ...OWNER, metadata_json: '{}', parent_run_id: parentRunId, ...times })
      .execute();
    return id;
  }

  async function createRun(sessionId: string, parentRunId: string | null = null): Promise<string> {
    const id = newId('run');
    const fixed = { number: ++runs, status: 'completed', attempt: 1, model: 'm', principal_json: '{}' };
    const rest = { on_disconnect: 'continue', usage_json: '{}', created_at: 1, parent_call_id: id };
    await database
      .acrossTenants()
      .insertInto('runs')
      .values({ id, ...OWNER, session_id: sessionId, parent_run_id: parentRunId, ...fixed, ...rest })
      .execute();
    return id;
  }

  async function answer(runId: string, state: string): Promise<void> {
    const fixed = { name: 'write_file', args_hash: 'h', idempotency_key: 'k', started_at: 1 };
    await database
      .acrossTenants()
      .insertInto('tool_calls')
      .values({ run_id: runId, tool_call_id: 'toolu_1', state, ...fixed })
      .execute();
  }

  it('remembers what a session has read last', async () => {
    const seen = { sessionId: newId('ses'), path: 'a.txt', sha256: 'one' };
    expect(await records.findRead(seen.sessionId, 'a.txt')).toBeUndefined();
    await records.saveRead(seen);
    await records.saveRead({ ...seen, sha256: 'two' });
    await records.saveRead({ ...seen, sessionId: newId('ses'), sha256: 'three' });
    expect(await records.findRead(seen.sessionId, 'a.txt')).toBe('two');
  });

  it('finds the workspace of a sub-agent in the session above all', async () => {
    const top = await createSession();
    const child = await createSession(await createRun(top));
    const grandchild = await createSession(await createRun(child));
    expect(await Promise.all([top, child, grandchild, 'gone'].map((id) => records.workspaceOf(id)))).toEqual([
      top,
      top,
      top,
      'gone',
    ]);
  });

  it('finds the runs of sub-agents below a run', async () => {
    const session = await createSession();
    const top = await createRun(session);
    const child = await createRun(session, top);
    const grandchild = await createRun(session, child);
    await createRun(session);
    expect(await records.runsUnder(top)).toEqual([top, child, grandchild]);
    expect(await records.runsUnder(child)).toEqual([child, grandchild]);
  });

  it('keeps what a file was before the first change, and what it is after the last', async () => {
    const [run, workspace] = [newId('run'), newId('ses')];
    const base = { runId: run, path: 'a.txt', before: sha256Of('one'), isReverted: false };
    await records.beginChange(change(run, workspace, 'one', 'two'));
    expect(await records.listChanges([run])).toEqual([
      { ...base, after: sha256Of('one'), next: sha256Of('two') },
    ]);
    await records.finishChange(run, { sessionId: workspace, path: 'a.txt', sha256: sha256Of('two') });
    expect(await records.listChanges([run])).toEqual([{ ...base, after: sha256Of('two'), next: null }]);
    expect(await records.findRead(workspace, 'a.txt')).toBe(sha256Of('two'));
    await records.beginChange(change(run, workspace, 'two', 'three'));
    expect(await records.listChanges([run])).toEqual([
      { ...base, after: sha256Of('two'), next: sha256Of('three') },
    ]);
    expect(await records.findFormerText(workspace, 'a.txt', sha256Of('one'))).toBe('one');
    expect(await records.findFormerText(workspace, 'a.txt', sha256Of('two'))).toBeUndefined();
    expect(await records.findFormerText(newId('ses'), 'a.txt', sha256Of('one'))).toBeUndefined();
  });

  it('keeps that there was no file, and an empty one', async () => {
    const [run, workspace] = [newId('run'), newId('ses')];
    await records.beginChange(change(run, workspace, null, 'one'));
    await records.beginChange({ ...change(run, workspace, '', 'one'), path: 'b.txt' });
    expect((await records.listChanges([run])).map(({ path, before }) => [path, before])).toEqual([
      ['a.txt', null],
      ['b.txt', sha256Of('')],
    ]);
    expect(await records.findFormerText(workspace, 'b.txt', sha256Of(''))).toBe('');
  });

  it.each(['finished', 'cancelled', 'denied', 'expired', 'outcome_unknown'])(
    'lets no call begin a change that was answered as %s',
    async (state) => {
      const run = newId('run');
      await answer(run, state);
      await expect(records.beginChange(change(run, newId('ses'), null, 'x'))).rejects.toThrow(
        'answered by another process',
      );
      expect(await records.listChanges([run])).toEqual([]);
    },
  );

  it('lets a call begin a change that was started', async () => {
    const run = newId('run');
    await answer(run, 'started');
    await records.beginChange(change(run, newId('ses'), null, 'x'));
    expect(await records.listChanges([run])).toHaveLength(1);
  });

  it('notes that runs were reverted', async () => {
    const [run, workspace] = [newId('run'), newId('ses')];
    await records.beginChange(change(run, workspace, null, 'x'));
    await records.noteReverted([run]);
    expect((await records.listChanges([run])).map(({ isReverted }) => isReverted)).toEqual([true]);
  });

  it('finds what sessions have left that are gone, and deletes it', async () => {
    const [kept, gone, readOnly] = [await createSession(), newId('ses'), newId('ses')];
    for (const workspace of [kept, gone]) {
      await records.beginChange(change(newId('run'), workspace, 'one', 'two'));
      await records.saveRead({ sessionId: workspace, path: 'a.txt', sha256: 'h' });
    }
    await records.saveRead({ sessionId: readOnly, path: 'a.txt', sha256: 'h' });
    expect((await records.listLeft(10)).toSorted()).toEqual([gone, readOnly].toSorted());
    await records.deleteAll(gone);
    await records.deleteAll(readOnly);
    expect(await records.listLeft(10)).toEqual([]);
    expect(await records.findFormerText(gone, 'a.txt', sha256Of('one'))).toBeUndefined();
    expect(await records.findFormerText(kept, 'a.txt', sha256Of('one'))).toBe('one');
  });
});
