import { Injectable } from '@nestjs/common';
import type { Owner, Principal } from '../auth/principal.js';
import { DecisionsService } from '../runs/decisions.service.js';
import type { Run } from '../runs/run.js';
import { toTime } from '../sessions/views.js';
import { AgentService, type StartRequest } from './agent.service.js';
import type { Decide } from './requests.js';
import { type DecisionView, type RunView, viewRun } from './views.js';

/** Runs as the API shows them, each with the id of its last event. */
@Injectable()
export class RunViews {
  constructor(
    private readonly agent: AgentService,
    private readonly decisions: DecisionsService,
  ) {}

  async start(principal: Principal, request: StartRequest): Promise<RunView> {
    return this.view(await this.agent.start(principal, request));
  }

  async see(owner: Owner, id: string): Promise<RunView> {
    return this.view(await this.agent.see(owner, id));
  }

  async list(owner: Owner, sessionId: string): Promise<RunView[]> {
    const runs = await this.agent.list(owner, sessionId);
    return Promise.all(runs.map((run) => this.view(run)));
  }

  async listSubAgents(owner: Owner, runId: string): Promise<RunView[]> {
    const runs = await this.agent.listSubAgents(owner, runId);
    return Promise.all(runs.map((run) => this.view(run)));
  }

  /** Decides on a tool call; see `DecisionsService`. */
  async decide(owner: Owner, runId: string, toolCallId: string, said: Decide): Promise<DecisionView> {
    const { decision, reason = null } = said;
    const stored = await this.decisions.decide(owner, runId, toolCallId, { decision, reason });
    return {
      run_id: runId,
      tool_call_id: toolCallId,
      tool: stored.tool,
      decision: stored.decision,
      reason: stored.reason,
      decided_at: toTime(stored.decidedAt),
    };
  }

  private async view(run: Run): Promise<RunView> {
    return viewRun(run, await this.agent.lastEventId(run));
  }
}
