import { Injectable } from '@nestjs/common';
import type { Owner, Principal } from '../auth/principal.js';
import type { Run } from '../runs/run.js';
import { AgentService, type StartRequest } from './agent.service.js';
import { type RunView, viewRun } from './views.js';

/** Runs as the API shows them, each with the id of its last event. */
@Injectable()
export class RunViews {
  constructor(private readonly agent: AgentService) {}

  async start(principal: Principal, request: StartRequest): Promise<RunView> {
    return this.view(await this.agent.start(principal, request));
  }

  async find(owner: Owner, id: string): Promise<RunView> {
    return this.view(await this.agent.find(owner, id));
  }

  async list(owner: Owner, sessionId: string): Promise<RunView[]> {
    const runs = await this.agent.list(owner, sessionId);
    return Promise.all(runs.map((run) => this.view(run)));
  }

  private async view(run: Run): Promise<RunView> {
    return viewRun(run, await this.agent.lastEventId(run));
  }
}
