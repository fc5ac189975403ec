import { SqlEventLog } from '../../../src/event-log/sql/sql-event-log.js';
import type { LanguageModel } from '../../../src/model/language-model.js';
import type { ModelConfig } from '../../../src/model/model.config.js';
import { Dispatcher } from '../../../src/runs/dispatcher.service.js';
import type { LeaseRepository } from '../../../src/runs/lease.repository.js';
import type { RunListeners } from '../../../src/runs/listeners/run-listeners.service.js';
import { AgentLoopFactory, LoopStores } from '../../../src/runs/loop/agent-loop-factory.service.js';
import type { Run } from '../../../src/runs/run.js';
import { type RunStart, RunStarter } from '../../../src/runs/run-starter.service.js';
import type { RunsConfig } from '../../../src/runs/runs.config.js';
import { RunsService } from '../../../src/runs/runs.service.js';
import { over } from '../over.js';
import { linesOf } from './event-lines.js';
import { ADA, LEASE_MS, type RunBench } from './run-bench.js';

const CONFIG: RunsConfig = {
  LEASE_MS,
  RUN_TIMEOUT_MS: 600_000,
  MAX_TURNS: 50,
  TOOL_TIMEOUT_MS: 60_000,
  SHUTDOWN_GRACE_MS: 30_000,
  MAX_ACTIVE_RUNS: 256,
};

export interface NodeOptions {
  config?: Partial<RunsConfig>;
  leases?: LeaseRepository;
  /** What happens between a run's row and its first event. */
  afterCreate?: (run: Run) => Promise<void>;
}

/** One process of the server as far as runs go; several may stand on one bench. */
export class RunNode {
  readonly log: SqlEventLog;
  readonly leases: LeaseRepository;
  readonly dispatcher: Dispatcher;
  readonly service: RunsService;
  /** Attempts that listeners were attached to. */
  readonly attached: string[] = [];
  private readonly stay = new AbortController().signal;

  constructor(
    private readonly bench: RunBench,
    model: LanguageModel,
    { config, leases = bench.newLeases(), afterCreate }: NodeOptions = {},
  ) {
    const { database, sessions, messages, runs, ledger, idempotency } = bench;
    const settings = { ...CONFIG, ...config };
    this.leases = leases;
    this.log = new SqlEventLog(database);
    const loops = new AgentLoopFactory(
      new LoopStores(this.log, runs, sessions, messages, ledger),
      model,
      bench.registry,
      bench.caller,
      settings,
      { MAX_TOKENS: 1000 } as ModelConfig,
    );
    const listeners = { attach: (run: Run) => this.attached.push(`${run.id}.${run.attempt}`) };
    this.dispatcher = new Dispatcher(
      this.leases,
      this.log,
      loops,
      listeners as unknown as RunListeners,
      settings,
    );
    const starter = new RunStarter(database, sessions, messages, runs, idempotency, this.leases);
    const create: RunStarter['create'] = async (...args) => {
      const created = await starter.create(...args);
      if ('run' in created) await afterCreate?.(created.run);
      return created;
    };
    this.service = new RunsService(over(starter, { create }), runs, ledger, this.dispatcher, this.log, model);
  }

  start(start: Partial<RunStart> & { text?: string } = {}): Promise<Run> {
    const { text = 'hello', ...rest } = start;
    return this.service.start({
      principal: ADA,
      sessionId: null,
      content: [{ type: 'text', text }],
      whenBusy: 'queue',
      onDisconnect: 'continue',
      idempotency: null,
      ...rest,
    });
  }

  /** Waits for the run's last event on this node, and gives all of them as lines. */
  async ended(run: { id: string }): Promise<string[]> {
    for await (const pages of this.log.follow(run.id, 0, this.stay)) {
      if (pages.at(-1)?.entries.at(-1)?.type === 'done') break;
    }
    return linesOf(this.log, run.id);
  }

  find(run: { id: string }): Promise<Run> {
    return this.bench.find(run.id);
  }
}
