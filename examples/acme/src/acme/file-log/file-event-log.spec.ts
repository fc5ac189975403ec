import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { AppError } from 'agentline/errors';
import { describeEventLog } from 'agentline/event-log/contract';
import { FileEventLog } from './file-event-log.js';
import { FileLogStore } from './file-log-store.js';

const newFolder = () => mkdtempSync(join(tmpdir(), 'acme-log-'));

describeEventLog('Files', async () => {
  const folder = newFolder();
  const store = new FileLogStore(folder);
  let isAway = false;
  /** While it is away, questions arrive, but their answers are lost. */
  const reached = new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (!isAway || typeof method !== 'function') return method;
      return async (...args: unknown[]) => {
        await Reflect.apply(method, target, args);
        throw new AppError('unavailable', 'The store is away.');
      };
    },
  });
  const [log, other] = [new FileEventLog(folder, {}, reached), new FileEventLog(folder, {}, reached)];
  return {
    log,
    other,
    breakStore: () => void (isAway = true),
    healStore: () => void (isAway = false),
    setAttempt: async (runId, attempt) => void (await store.begin(runId, attempt, 0)),
    close: async () => {
      await Promise.all([log.close(), other.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

const page = (firstSeq: number) => ({
  runId: 'run_1',
  attempt: 1,
  firstSeq,
  entries: [{ type: 'token' as const, data: `{"text":"${firstSeq}"}` }],
});

describe('a log on files after a restart', () => {
  it('has what was answered, without the line that was being written, and goes on after it', async () => {
    const folder = newFolder();
    const first = new FileLogStore(folder);
    await first.begin('run_1', 1, 0);
    await first.insert([page(1), page(2)]);
    appendFileSync(join(folder, readdirSync(folder)[0] ?? ''), '{"runId":"run_1","att');

    const second = new FileLogStore(folder);
    expect(await second.begin('run_1', 2, 2)).toEqual({ attempt: 1, seq: 2, type: 'token' });
    await second.insert([{ ...page(3), attempt: 2 }]);
    const third = await new FileLogStore(folder).readAfter('run_1', { seq: 0 });
    expect(third).toEqual({ attempt: undefined, pages: [page(1), page(2), { ...page(3), attempt: 2 }] });
    rmSync(folder, { recursive: true, force: true });
  });
});
