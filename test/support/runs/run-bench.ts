import { z } from 'zod';
import { Agents } from '../../../src/agents/agents.js';
import { FrameRepository } from '../../../src/context/frame.repository.js';
import type { Database } from '../../../src/database/database.js';
import { JournaledPages } from '../../../src/event-log/sql/journaled-pages.js';
import { PageRepository } from '../../../src/event-log/sql/page.repository.js';
import { SqlEventLog } from '../../../src/event-log/sql/sql-event-log.js';
import type { LogWriter } from '../../../src/event-log/event-log.js';
import { LimitRepository } from '../../../src/limits/limit.repository.js';
import type { LanguageModel } from '../../../src/model/language-model.js';
import { IdempotencyRepository } from '../../../src/runs/queue/idempotency.repository.js';
import { LeaseRepository } from '../../../src/runs/queue/lease.repository.js';
import { OpenRuns } from '../../../src/runs/queue/open-runs.repository.js';
import { AgentLoop, type LoopResult } from '../../../src/runs/loop/agent-loop.js';
import type { LoopDependencies } from '../../../src/runs/loop/loop-dependencies.js';
import { RunInputRepository } from '../../../src/runs/loop/run-input.repository.js';
import { ToolLedgerRepository } from '../../../src/runs/loop/tool-ledger.repository.js';
import type { Run } from '../../../src/runs/run.js';
import { ChildRunRepository } from '../../../src/runs/sub-agents/child-run.repository.js';
import type { SubAgents } from '../../../src/runs/sub-agents.js';
import { RunRepository } from '../../../src/runs/run.repository.js';
import { type RunStart, RunStarter, StartStores } from '../../../src/runs/run-starter.service.js';
import { Metrics } from '../../../src/telemetry/metrics.js';
import { BudgetRepository } from '../../../src/usage/budget.repository.js';
import { LeftCallRepository } from '../../../src/usage/left-call.repository.js';
import { ModelCallRepository } from '../../../src/usage/model-call.repository.js';
import { RunMeters } from '../../../src/usage/run-meters.service.js';
import type { Message } from '../../../src/sessions/message.js';
import { MessageRepository } from '../../../src/sessions/message.repository.js';
import { SessionRepository } from '../../../src/sessions/session.repository.js';
import { ToolCaller } from '../../../src/tools/tool-caller.js';
import { ToolRegistry } from '../../../src/tools/tool-registry.js';
import type { ToolContext, ToolOptions } from '../../../src/tools/tool.js';
import { FreeMeter } from './free-meter.js';
import { linesOf } from './event-lines.js';

export const ADA: Run['principal'] = {
  userId: 'usr_ada',
  tenantId: 'default',
  email: null,
  roles: ['member'],
};
export const LEASE_MS = 10_000;

export interface LoopOptions {
  signal?: AbortSignal;
  isMoving?: () => boolean;
  limits?: Partial<LoopDependencies['limits']>;
  approvals?: Partial<LoopDependencies['approvals']>;
  /** Puts itself between the loop and what it writes to. */
  between?: (writer: LogWriter, dependencies: LoopDependencies) => [LogWriter, LoopDependencies];
}

/** Everything that runs are made of, over one database, without Nest. */
export class RunBench {
  readonly log: SqlEventLog;
  readonly sessions: SessionRepository;
  readonly messages: MessageRepository;
  readonly runs: RunRepository;
  readonly ledger: ToolLedgerRepository;
  readonly inputs: RunInputRepository;
  readonly frames: FrameRepository;
  readonly leases: LeaseRepository;
  readonly idempotency: IdempotencyRepository;
  readonly children: ChildRunRepository;
  readonly starter: RunStarter;
  readonly registry = new ToolRegistry();
  /** What the operator was told. */
  readonly unexpected: unknown[] = [];
  /** Waits of the loop, in milliseconds; none really waits. */
  readonly delays: number[] = [];
  /** Calls that tools really got, as `<tool> <tool call id>`. */
  readonly effects: string[] = [];
  readonly caller = new ToolCaller((error) => this.unexpected.push(error));

  readonly agents = new Agents();
  readonly meter = new FreeMeter();
  /** The real ones, without budgets. */
  readonly meters: RunMeters;
  readonly subAgents: SubAgents = {
    start: () => Promise.reject(new Error('there are no sub-agents here')),
    agentsAbove: () => Promise.resolve([]),
    endAll: () => Promise.resolve(),
  };

  constructor(readonly database: Database) {
    this.log = new SqlEventLog(database);
    const budgets = new BudgetRepository(database);
    this.meters = new RunMeters(
      {},
      new ModelCallRepository(database, budgets),
      new LeftCallRepository(database, budgets),
      budgets,
    );
    this.sessions = new SessionRepository(database);
    this.messages = new MessageRepository(database);
    this.runs = new RunRepository(database);
    this.ledger = new ToolLedgerRepository(database);
    this.inputs = new RunInputRepository(database);
    this.frames = new FrameRepository(database);
    this.leases = this.newLeases();
    this.idempotency = new IdempotencyRepository(database);
    this.children = new ChildRunRepository(database);
    this.starter = this.newStarter(this.leases, this.log);
  }

  newStarter(leases: LeaseRepository, log: SqlEventLog, openRuns = this.newOpenRuns()): RunStarter {
    const { sessions, messages, runs, inputs, idempotency, children } = this;
    const stores = new StartStores(sessions, messages, runs, inputs, idempotency, children);
    return new RunStarter(this.database, stores, leases, log, openRuns);
  }

  /** With room for more than any story needs, counted as by default. */
  private newOpenRuns(): OpenRuns {
    const config = { settings: { user: { runs: 100_000 }, key: {}, tenant: {} }, isSet: false };
    return new OpenRuns(this.database, new LimitRepository(this.database), config, new Metrics());
  }

  /** Another process that takes leases. */
  newLeases(): LeaseRepository {
    return new LeaseRepository(this.database, { LEASE_MS });
  }

  addTool(
    name: string,
    call: (args: Record<string, unknown>, context: ToolContext) => unknown = () => `${name} done`,
    options: Pick<ToolOptions, 'idempotent' | 'timeoutMs' | 'approval'> = {},
  ): void {
    this.registry.register(
      {
        options: { name, description: name, input: z.looseObject({}), ...options },
        call: async (args, context) => {
          this.effects.push(`${name} ${context.toolCallId}`);
          return call(args as Record<string, unknown>, context);
        },
      },
      'a test',
    );
  }

  async newSession(owner = ADA): Promise<string> {
    return (await this.sessions.create(owner, {})).id;
  }

  /** A run that waits in the queue, held by `leases`. */
  async queue(start: Partial<RunStart> = {}): Promise<Run> {
    const created = await this.starter.create(
      {
        principal: ADA,
        sessionId: null,
        content: [{ type: 'text', text: 'hello' }],
        whenBusy: 'queue',
        onDisconnect: 'continue',
        idempotency: null,
        ...start,
      },
      () => 'scripted',
    );
    if ('existing' in created) throw new Error(`started before: ${created.existing}`);
    return created.run;
  }

  /** A run in its first attempt. */
  async begin(start: Partial<RunStart> = {}): Promise<Run> {
    const begun = await this.leases.beginOwn((await this.queue(start)).id);
    if (begun === undefined) throw new Error('the run cannot begin');
    return begun;
  }

  /** The lease ends, as if its owner had died, and somebody else takes the run. */
  async takeOver(run: Run): Promise<Run> {
    await this.expire(run.id);
    const taken = await this.claim();
    if (taken.id !== run.id) throw new Error(`claimed ${taken.id} in the place of ${run.id}`);
    return taken;
  }

  /** What is free to be claimed; a row that somebody writes to just now is passed over, so it asks again. */
  async claim(): Promise<Run> {
    for (let tries = 0; tries < 1000; tries += 1) {
      const run = await this.leases.claimNext();
      if (run !== undefined) return run;
    }
    throw new Error('nothing can be claimed');
  }

  async expire(id: string): Promise<void> {
    await this.database
      .acrossTenants()
      .updateTable('runs')
      .set({ lease_until: 0 })
      .where('id', '=', id)
      .execute();
  }

  /** One attempt of a run that was claimed. */
  async attempt(run: Run, model: LanguageModel, options: LoopOptions = {}): Promise<LoopResult> {
    const writer = await this.log.writer(run.id, run.attempt, run.checkpointSeq);
    const dependencies: LoopDependencies = {
      log: this.log,
      model,
      runs: this.runs,
      sessions: this.sessions,
      messages: this.messages,
      ledger: this.ledger,
      inputs: this.inputs,
      registry: this.registry,
      caller: this.caller,
      subAgents: this.subAgents,
      approvals: { timeoutMs: 3_600_000, tools: [], ...options.approvals },
      agents: this.agents,
      frames: this.frames,
      openMeter: () => this.meter,
      limits: {
        maxTurns: 50,
        maxTokens: 1000,
        maxRepeats: 5,
        toolTimeoutMs: 60_000,
        callTimeoutMs: 60_000,
        compactAt: null,
        ...options.limits,
      },
      delay: async (milliseconds) => {
        this.delays.push(milliseconds);
      },
      random: () => 0.5,
      onUnexpected: (error) => this.unexpected.push(error),
    };
    const [pen, stores] = options.between?.(writer, dependencies) ?? [writer, dependencies];
    const signal = AbortSignal.any([options.signal ?? new AbortController().signal, pen.refused]);
    try {
      return await new AgentLoop(run, pen, signal, options.isMoving ?? (() => false), stores).execute();
    } finally {
      writer.close();
      await Promise.allSettled([writer.flushed()]);
    }
  }

  async find(id: string): Promise<Run> {
    const run = await this.runs.find(ADA, id);
    if (run === undefined) throw new Error(`there is no run ${id}`);
    return run;
  }

  history(sessionId: string): Promise<Message[]> {
    return this.messages.list(ADA, sessionId);
  }

  lines(run: { id: string }): Promise<string[]> {
    return linesOf(this.log, run.id);
  }

  /** The store has lost what a run said. */
  async loseLog(runId: string): Promise<void> {
    const { inProcess } = this.database;
    if (inProcess !== undefined) {
      await new JournaledPages(new PageRepository(this.database), inProcess).settle();
    }
    await this.database.acrossTenants().deleteFrom('run_pages').where('run_id', '=', runId).execute();
  }
}
