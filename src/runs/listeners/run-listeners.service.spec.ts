import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { openSqlite } from '../../../test/support/databases.js';
import { RunBench } from '../../../test/support/runs/run-bench.js';
import type { LogWriter } from '../../event-log/event-log.js';
import type { PlacedRunEvent, RunEvent } from '../../event-log/run-event.js';
import { NO_USAGE } from '../../usage/usage-sum.js';
import { OnRunEvent } from '../on-run-event.decorator.js';
import type { Run } from '../run.js';
import { RunListeners } from './run-listeners.service.js';

const token = (text: string): RunEvent => ({ type: 'token', data: { text } });
const DONE: RunEvent & { type: 'done' } = {
  type: 'done',
  data: { status: 'completed', stop_reason: 'end_turn', usage: NO_USAGE, cost_usd: null },
};

type Heard<T extends PlacedRunEvent['type']> = Extract<PlacedRunEvent, { type: T }>;

/** A provider as an application writes it. */
class Audit {
  readonly heard: string[] = [];
  readonly end = Promise.withResolvers<void>();

  @OnRunEvent('token', 'done')
  async note(event: Heard<'token' | 'done'>, run: { id: string; userId: string }): Promise<void> {
    await new Promise(setImmediate);
    const what = event.type === 'token' ? event.data.text : event.data.status;
    this.heard.push(`${event.attempt}.${event.seq} ${what} by ${run.userId}`);
    if (event.type === 'done') this.end.resolve();
  }

  get unrelated(): never {
    throw new Error('a getter was called');
  }
}

class Broken {
  count = 0;
  readonly end = Promise.withResolvers<void>();

  @OnRunEvent('token', 'done')
  fail(event: PlacedRunEvent): never {
    this.count += 1;
    if (event.type === 'done') this.end.resolve();
    throw new Error('broken listener');
  }
}

describe('listeners', () => {
  let bench: RunBench;
  let audit: Audit;
  let run: Run;
  let writer: LogWriter;

  beforeEach(async () => {
    bench = new RunBench(await openSqlite());
    audit = new Audit();
    run = await bench.begin();
    writer = await bench.log.writer(run.id, run.attempt);
  });
  afterEach(async () => {
    writer.close();
    await bench.database.close();
  });

  function listening(...instances: unknown[]): RunListeners {
    const discovery = {
      getProviders: () => instances.map((instance) => ({ instance })),
      getControllers: () => [{ instance: null }, { instance: undefined }],
    } as unknown as DiscoveryService;
    const listeners = new RunListeners(discovery, new MetadataScanner(), new Reflector(), bench.log);
    listeners.onModuleInit();
    return listeners;
  }

  it('are called with the events of their types, one at a time and in order, until the run is over', async () => {
    listening(audit, {}, 'text').attach(run, 0);
    await writer.append(token('a'), { type: 'thinking', data: { text: 'hm' } });
    await writer.append(token('b'));
    await writer.end(DONE, async () => undefined);
    await audit.end.promise;

    expect(audit.heard).toEqual(['1.1 a by usr_ada', '1.3 b by usr_ada', '1.4 completed by usr_ada']);
  });

  it('hear nothing of what was said before they were attached', async () => {
    await writer.append(token('a'));
    listening(audit).attach(run, writer.lastSeq);
    await writer.append(token('b'));
    await writer.end(DONE, async () => undefined);
    await audit.end.promise;

    expect(audit.heard).toEqual(['1.2 b by usr_ada', '1.3 completed by usr_ada']);
  });

  it('that fail are logged and go on, and trouble nobody else', async () => {
    const broken = new Broken();
    const logged: unknown[] = [];
    Logger.overrideLogger({ error: (entry: unknown) => logged.push(entry), log: () => {}, warn: () => {} });
    listening(broken, audit).attach(run, 0);
    await writer.append(token('a'));
    await writer.end(DONE, async () => undefined);
    await Promise.all([broken.end.promise, audit.end.promise]);
    await new Promise(setImmediate);
    Logger.overrideLogger(['log', 'error', 'warn']);

    expect(broken.count).toBe(2);
    expect(audit.heard).toHaveLength(2);
    expect(logged).toMatchObject([
      { err: { message: 'broken listener' }, run_id: run.id, event_id: `${run.id}.1.1` },
      { err: { message: 'broken listener' }, event_id: `${run.id}.1.2` },
    ]);
  });

  it('of an object that stands behind several tokens are called once', async () => {
    listening(audit, audit).attach(run, 0);
    await writer.end(DONE, async () => undefined);
    await audit.end.promise;
    await new Promise(setImmediate);

    expect(audit.heard).toEqual(['1.1 completed by usr_ada']);
  });

  it('hear each event once, also when the same process takes the run a second time', async () => {
    const listeners = listening(audit);
    listeners.attach(run, 0);
    await writer.append(token('a'));
    const again = await bench.takeOver(run);
    const next = await bench.log.writer(again.id, again.attempt);
    listeners.attach(again, next.lastSeq);
    await next.append(token('b'));
    await next.end(DONE, async () => undefined);
    await audit.end.promise;
    next.close();

    expect(audit.heard).toEqual(['1.1 a by usr_ada', '2.2 b by usr_ada', '2.3 completed by usr_ada']);
  });

  it('do not wait for ever on a run of which only the final state was missing', async () => {
    await writer.end(DONE, async () => undefined);
    const followed = Promise.withResolvers<void>();
    const log = Object.create(bench.log) as typeof bench.log;
    log.follow = async function* (...args) {
      yield* bench.log.follow(...args);
      followed.resolve();
    };
    const discovery = { getProviders: () => [{ instance: audit }], getControllers: () => [] };
    const listeners = new RunListeners(
      discovery as unknown as DiscoveryService,
      new MetadataScanner(),
      new Reflector(),
      log,
    );
    listeners.onModuleInit();
    listeners.attach(await bench.takeOver(run), 1);
    await followed.promise;

    expect(audit.heard).toEqual([]);
  });
});
