import { Injectable } from '@nestjs/common';
import { Agents } from '../agents/agents.js';
import { LanguageModel } from '../model/language-model.js';

/** Which model a run works with. */
@Injectable()
export class ModelChoice {
  constructor(
    private readonly model: LanguageModel,
    private readonly agents: Agents,
  ) {}

  /**
   * The model that was asked for, else the agent's, else the server's default.
   * @throws AppError `invalid_request` for an agent that is not known.
   */
  for(agent: string | null, asked: string | null): string {
    const profile = this.agents.find(agent);
    return this.model.resolve(asked ?? profile.model ?? null);
  }
}
