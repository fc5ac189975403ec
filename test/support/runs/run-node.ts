import type { ModuleRef } from '@nestjs/core';
import type { EventLog } from '../../../src/event-log/event-log.js';
import { SqlEventLog } from '../../../src/event-log/sql/sql-event-log.js';
import type { LanguageModel } from '../../../src/model/language-model.js';
import type { ModelConfig } from '../../../src/model/model.config.js';
import { Dispatcher } from '../../../src/runs/dispatcher.service.js';
import type { LeaseRepository } from '../../../src/runs/queue/lease.repository.js';
import type { RunListeners } from '../../../src/runs/listeners/run-listeners.service.js';
import {
  AgentLoopFactory,
  LoopStores,
  LoopTools,
} from '../../../src/runs/loop/agent-loop-factory.service.js';
import type { Run } from '../../../src/runs/run.js';
import { NextRuns } from '../../../src/runs/next-runs.service.js';
import { RunAttempts } from '../../../src/runs/run-attempts.service.js';
import type { RunStart, RunStarter } from '../../../src/runs/run-starter.service.js';
import type { RunsConfig } from '../../../src/runs/runs.config.js';
import { ModelChoice } from '../../../src/runs/model-choice.service.js';
import { RunsService } from '../../../src/runs/runs.service.js';
import { ChildReports } from '../../../src/runs/sub-agents/child-reports.service.js';
import { ChildRuns } from '../../../src/runs/sub-agents/child-runs.service.js';
import { ChildStarter, ChildStores } from '../../../src/runs/sub-agents/child-starter.service.js';
import type { SubAgentsConfig } from '../../../src/runs/sub-agents/sub-agents.config.js';
import { over } from '../over.js';
import { linesOf } from './event-lines.js';
import { ADA, LEASE_MS, type RunBench } from './run-bench.js';

const CONFIG: RunsConfig & SubAgentsConfig = {
  LEASE_MS,
  RUN_TIMEOUT_MS: 600_000,
  MAX_TURNS: 50,
  MAX_REPEATED_CALLS: 20,
  TOOL_TIMEOUT_MS: 60_000,
  MODEL_CALL_TIMEOUT_MS: 60_000,
  APPROVAL_TIMEOUT_MS: 3_600_000,
  SHUTDOWN_GRACE_MS: 30_000,
  MAX_ACTIVE_RUNS: 256,
  MAX_AGENT_DEPTH: 2,
  MAX_SUB_AGENTS: 100,
};

export interface NodeOptions {
  config?: Partial<RunsConfig & SubAgentsConfig>;
  leases?: LeaseRepository;
  /** What happens between a run's row and its first event. */
  afterCreate?: (run: Run) => Promise<void>;
  /** What is another about its log for those who work on runs. */
  log?: (log: EventLog) => Partial<EventLog>;
}

/** One process of the server as far as runs go; several may stand on one bench. */
export class RunNode {
  readonly log: SqlEventLog;
  readonly leases: LeaseRepository;
  readonly dispatcher: Dispatcher;
  readonly service: RunsService;
  readonly next: NextRuns;
  readonly subAgents: ChildRuns;
  /** Attempts that listeners were attached to. */
  readonly attached: string[] = [];
  private readonly stay = new AbortController().signal;

  constructor(
    private readonly bench: RunBench,
    model: LanguageModel,
    { config, leases = bench.newLeases(), afterCreate, log = () => ({}) }: NodeOptions = {},
  ) {
    const { database, sessions, messages, runs, ledger, inputs } = bench;
    const settings = { ...CONFIG, ...config };
    this.leases = leases;
    this.log = new SqlEventLog(database);
    const workLog: EventLog = over<EventLog>(this.log, log(this.log));
    const loops = new AgentLoopFactory(
      new LoopStores(workLog, runs, sessions, messages, ledger, inputs),
      model,
      new LoopTools(bench.registry, bench.caller, bench.agents, bench.meters, bench.frames),
      { get: () => this.subAgents } as unknown as ModuleRef,
      settings,
      { MAX_TOKENS: 1000 } as ModelConfig,
    );
    const listeners = {
      attach: (run: Run) => this.attached.push(`${run.id}.${run.attempt}`),
      attachToEnd: () => undefined,
    };
    const attempts = new RunAttempts(workLog, runs, loops, listeners as unknown as RunListeners);
    this.dispatcher = new Dispatcher(this.leases, attempts, settings);
    const starter = bench.newStarter(this.leases, this.log);
    const create: RunStarter['create'] = async (...args) => {
      const created = await starter.create(...args);
      if ('run' in created) await afterCreate?.(created.run);
      return created;
    };
    this.next = new NextRuns(database, runs, sessions);
    this.next.onModuleInit();
    const { dispatcher, next } = this;
    const choice = new ModelChoice(model, bench.agents);
    this.service = new RunsService(over(starter, { create }), runs, ledger, dispatcher, next, choice);
    const { children, agents } = bench;
    this.subAgents = new ChildRuns(
      new ChildStarter(new ChildStores(database, sessions, children, starter), agents, choice, settings),
      new ChildReports(messages, this.log),
      children,
      this.service,
      dispatcher,
      settings,
    );
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
