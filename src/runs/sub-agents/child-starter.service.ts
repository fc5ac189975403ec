import { Inject, Injectable } from '@nestjs/common';
import { Agents } from '../../agents/agents.js';
import { Database } from '../../database/database.js';
import { hasCode } from '../../errors/app-error.js';
import { SessionRepository } from '../../sessions/session.repository.js';
import { ToolError } from '../../tools/tool-error.js';
import type { SubAgentRequest } from '../../tools/tool.js';
import { ModelChoice } from '../model-choice.service.js';
import type { Run } from '../run.js';
import { RunStarter } from '../run-starter.service.js';
import { ChildRunRepository } from './child-run.repository.js';
import { subAgentsConfig, type SubAgentsConfig } from './sub-agents.config.js';

/** Who works on a task that nobody was named for. */
const AGENT = 'general';
const MAX_TITLE = 100;

/** What a sub-agent's run is made of. */
@Injectable()
export class ChildStores {
  constructor(
    readonly database: Database,
    readonly sessions: SessionRepository,
    readonly children: ChildRunRepository,
    readonly starter: RunStarter,
  ) {}
}

/** Makes the runs of sub-agents, each once. */
@Injectable()
export class ChildStarter {
  constructor(
    private readonly stores: ChildStores,
    private readonly agents: Agents,
    private readonly models: ModelChoice,
    @Inject(subAgentsConfig.KEY) private readonly config: SubAgentsConfig,
  ) {}

  /**
   * The run that this call has started before, or a new one, with a session of its own, held by this process.
   * @throws ToolError when there may be none.
   */
  async findOrCreate(
    parent: Run,
    callId: string,
    request: SubAgentRequest,
  ): Promise<{ child: Run; isNew: boolean }> {
    const { database, children } = this.stores;
    const before = await children.find(parent, callId);
    if (before !== undefined) return { child: before, isNew: false };
    const profile = this.profile(request.agent ?? AGENT);
    return database.transaction(async (trx) => {
      const mayStart = await children.lockParent(trx, parent);
      // The answer to an earlier try may have been lost, and another attempt may have been faster.
      const made = await children.find(parent, callId, trx);
      if (made !== undefined) return { child: made, isNew: false };
      if (!mayStart) throw new ToolError('The run is ending: no sub-agent was started.');
      await this.checkRoom(trx, parent);
      // A model that was chosen for the conversation is meant for its sub-agents too.
      const model = profile.model === undefined ? parent.model : null;
      const title = titleOf(request);
      const fields = { title, model, agent: profile.name, parentRunId: parent.id };
      const session = await this.stores.sessions.create(parent, fields, trx);
      const child = await this.stores.starter.enqueue(trx, {
        sessionId: session.id,
        principal: parent.principal,
        model: this.models.for(profile.name, model),
        agent: profile.name,
        onDisconnect: 'continue',
        content: [{ type: 'text', text: request.prompt }],
        parent: { runId: parent.id, callId },
        rootRunId: parent.rootRunId,
      });
      return { child, isNew: true };
    });
  }

  private profile(name: string) {
    try {
      return this.agents.find(name);
    } catch (error) {
      throw hasCode(error, 'invalid_request') ? new ToolError(error.message, { cause: error }) : error;
    }
  }

  private async checkRoom(trx: Parameters<ChildRunRepository['count']>[0], parent: Run): Promise<void> {
    const { MAX_AGENT_DEPTH: depth, MAX_SUB_AGENTS: most } = this.config;
    if ((await this.stores.children.depth(parent, trx)) >= depth)
      throw new ToolError(`Agents are nested ${depth} deep at most: do this task yourself.`);
    if ((await this.stores.children.count(trx, parent)) >= most)
      throw new ToolError(`A run has ${most} sub-agents at most: do what is left yourself.`);
  }
}

/** So that the conversation has a name where people meet it. What a model writes may be no text for PostgreSQL. */
function titleOf({ title, prompt }: SubAgentRequest): string {
  const text = (title ?? prompt).toWellFormed().replaceAll('\u0000', '');
  const line = text.trim().split('\n', 1)[0] ?? '';
  return Array.from(line).slice(0, MAX_TITLE).join('');
}
