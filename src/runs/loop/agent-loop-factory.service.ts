import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { EventLog, type LogWriter } from '../../event-log/event-log.js';
import type { AgentLimits } from '../../agents/agent-profile.js';
import { Agents } from '../../agents/agents.js';
import { FrameRepository } from '../../context/frame.repository.js';
import { LanguageModel } from '../../model/language-model.js';
import { modelConfig, type ModelConfig } from '../../model/model.config.js';
import { MessageRepository } from '../../sessions/message.repository.js';
import { SessionRepository } from '../../sessions/session.repository.js';
import { ToolCaller } from '../../tools/tool-caller.js';
import { ToolRegistry } from '../../tools/tool-registry.js';
import type { RunMeter } from '../../usage/run-meter.js';
import { RunMeters } from '../../usage/run-meters.service.js';
import type { Run } from '../run.js';
import { RunRepository } from '../run.repository.js';
import { runsConfig, type RunsConfig } from '../runs.config.js';
import { SubAgents } from '../sub-agents.js';
import { AgentLoop } from './agent-loop.js';
import type { LoopDependencies } from './loop-dependencies.js';
import { patient } from '../../database/patient.js';
import { RunInputRepository } from './run-input.repository.js';
import { ToolLedgerRepository } from './tool-ledger.repository.js';

/** What loops read and write. */
@Injectable()
export class LoopStores {
  constructor(
    readonly log: EventLog,
    readonly runs: RunRepository,
    readonly sessions: SessionRepository,
    readonly messages: MessageRepository,
    readonly ledger: ToolLedgerRepository,
    readonly inputs: RunInputRepository,
  ) {}
}

/** What loops call. */
@Injectable()
export class LoopTools {
  constructor(
    readonly registry: ToolRegistry,
    readonly caller: ToolCaller,
    readonly agents: Agents,
    readonly meters: RunMeters,
    readonly frames: FrameRepository,
  ) {}
}

/** Makes the loop for each claimed run. */
@Injectable()
export class AgentLoopFactory {
  private readonly logger = new Logger('AgentLoop');
  private readonly dependencies: LoopDependencies;

  constructor(
    stores: LoopStores,
    model: LanguageModel,
    tools: LoopTools,
    moduleRef: ModuleRef,
    @Inject(runsConfig.KEY) runs: RunsConfig,
    @Inject(modelConfig.KEY) models: ModelConfig,
  ) {
    this.dependencies = {
      log: stores.log,
      ...patientStores(stores, runs.LEASE_MS),
      model,
      agents: tools.agents,
      frames: patient(tools.frames, runs.LEASE_MS, sleep),
      registry: tools.registry,
      caller: tools.caller,
      subAgents: lazily(() => moduleRef.get(SubAgents, { strict: false })),
      approvals: { timeoutMs: runs.APPROVAL_TIMEOUT_MS, tools: runs.APPROVAL_TOOLS ?? [] },
      limits: {
        maxTurns: runs.MAX_TURNS,
        toolTimeoutMs: runs.TOOL_TIMEOUT_MS,
        maxTokens: models.MAX_TOKENS,
        maxRepeats: runs.MAX_REPEATED_CALLS,
        callTimeoutMs: runs.MODEL_CALL_TIMEOUT_MS,
        compactAt: runs.COMPACT_AT_TOKENS ?? null,
      },
      openMeter: (run, limits) => openMeter(tools.meters, run, limits),
      delay: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
      random: Math.random,
      onUnexpected: (error, run) => this.logger.error({ err: error, run_id: run.id }, 'A run failed'),
    };
  }

  create(run: Run, writer: LogWriter, signal: AbortSignal, isMoving: () => boolean): AgentLoop {
    return new AgentLoop(run, writer, signal, isMoving, this.dependencies);
  }
}

/** Sub-agents are runs, and so above the loop that starts them: found when they are needed. */
function lazily(find: () => SubAgents): SubAgents {
  return {
    start: (...request) => find().start(...request),
    agentsAbove: (run) => find().agentsAbove(run),
    endAll: (parent) => find().endAll(parent),
  };
}

function openMeter(meters: RunMeters, run: Run, limits: AgentLimits = {}): RunMeter {
  const { id, rootRunId, sessionId, userId, tenantId, attempt } = run;
  const { usd, tokens, maxToolCalls: toolCalls } = limits;
  return meters.open({
    id,
    rootRunId,
    sessionId,
    userId,
    tenantId,
    attempt,
    limits: { usd, tokens, toolCalls },
  });
}

/** A run holds while the database is away, for as long as its lease could last. */
function patientStores({ runs, sessions, messages, ledger, inputs }: LoopStores, forMs: number) {
  return {
    runs: patient(runs, forMs, sleep),
    sessions: patient(sessions, forMs, sleep),
    messages: patient(messages, forMs, sleep),
    ledger: patient(ledger, forMs, sleep),
    inputs: patient(inputs, forMs, sleep),
  };
}
