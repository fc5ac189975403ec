import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { Agents } from '../agents/agents.js';
import type { Owner } from '../auth/principal.js';
import { Compactor, type Summary } from '../context/compactor.js';
import { Prompt } from '../context/prompt.js';
import { Database } from '../database/database.js';
import { newId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import { LanguageModel, ModelError } from '../model/language-model.js';
import { modelConfig, type ModelConfig } from '../model/model.config.js';
import type { Run } from '../runs/run.js';
import { RunRepository } from '../runs/run.repository.js';
import type { Compaction, Message } from '../sessions/message.js';
import { MessageRepository } from '../sessions/message.repository.js';
import type { Session } from '../sessions/session.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { ToolRegistry } from '../tools/tool-registry.js';
import { MeteredModel } from '../usage/metered-model.js';
import { RunMeters } from '../usage/run-meters.service.js';

/** Longest time of a summary, in milliseconds. */
const TIME_MS = 120_000;

/** What summaries are made of, and where they go. */
@Injectable()
export class CompactionStores {
  constructor(
    readonly database: Database,
    readonly sessions: SessionRepository,
    readonly messages: MessageRepository,
    readonly runs: RunRepository,
  ) {}
}

/** Shortens a conversation when its owner asks for it: the model is told a summary from then on. */
@Injectable()
export class Compactions {
  constructor(
    private readonly stores: CompactionStores,
    private readonly model: LanguageModel,
    private readonly agents: Agents,
    private readonly registry: ToolRegistry,
    private readonly meters: RunMeters,
    @Inject(modelConfig.KEY) private readonly config: Pick<ModelConfig, 'MAX_TOKENS'>,
  ) {}

  /**
   * Summarises all that was said so far; the messages themselves stay.
   * @throws AppError `not_found`; `session_busy` while a run is open; `conflict` when there is nothing to summarise;
   * `model_failed`; `budget_exceeded`.
   */
  async compact(owner: Owner, sessionId: string): Promise<Compaction> {
    const { sessions, messages, runs } = this.stores;
    const session = await sessions.require(owner, sessionId);
    const run = await runs.findLatest(owner, sessionId);
    if (run === undefined) throw nothingToSummarise();
    await this.refuseBusy(session);
    const before = await messages.findCompaction(owner, sessionId);
    const history = {
      compaction: before,
      messages: await messages.list(owner, sessionId, undefined, before),
    };
    const signal = AbortSignal.timeout(TIME_MS);
    const summary = await this.compactorFor(run, session.system)
      .summarise(history, false, signal)
      .catch((error: unknown) => {
        throw failureOf(error, signal);
      });
    if (summary === undefined) throw nothingToSummarise();
    return this.save(owner, run, summary);
  }

  private compactorFor(run: Run, system: string | null): Compactor {
    const profile = this.agents.find(run.agent);
    const prompt = new Prompt({
      model: run.model,
      system: system ?? profile.system ?? null,
      tools: this.registry.select(profile.tools ?? 'all').specs(),
      maxTokens: this.config.MAX_TOKENS,
      effort: profile.effort,
    });
    const spent = { usage: run.usage, cost: run.cost };
    const model = new MeteredModel(this.model, this.meters.open(run), spent);
    return new Compactor(model, prompt, {
      compactAt: null,
      callTimeoutMs: TIME_MS,
      delay: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
      random: Math.random,
    });
  }

  /** The session is locked: no run begins between the look and the summary. */
  private save(owner: Owner, run: Run, { upTo, text: summary }: Summary<Message>): Promise<Compaction> {
    const { database, sessions, messages } = this.stores;
    const { id: runId, sessionId } = run;
    const { runNumber, position } = upTo;
    const compaction = { id: newId('cmp'), sessionId, runId, runNumber, position, summary };
    return database.transaction(async (trx) => {
      const session = await sessions.save(owner, sessionId, {}, trx);
      if (session === undefined) throw new AppError('not_found', 'There is no such session.');
      const open = await this.stores.runs.listOpen(owner, sessionId, trx);
      if (open.length > 0) throw busy();
      await messages.addCompaction(owner, trx, compaction);
      return compaction;
    });
  }

  private async refuseBusy(session: Session): Promise<void> {
    const open = await this.stores.runs.listOpen(session, session.id);
    if (open.length > 0) throw busy();
  }
}

/** What the provider said may be shown, as it is when a run fails by it. */
function failureOf(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof ModelError) return new AppError('model_failed', error.message, { cause: error });
  if (!signal.aborted) return error;
  return new AppError('model_failed', `The summary was not whole after ${TIME_MS} ms.`, { cause: error });
}

function busy(): AppError {
  return new AppError(
    'session_busy',
    'The session has an open run, which shortens what it needs to by itself.',
  );
}

function nothingToSummarise(): AppError {
  return new AppError('conflict', 'Nothing was said since the last summary that could be summarised.');
}
