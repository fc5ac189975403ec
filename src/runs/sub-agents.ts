import type { SubAgentRequest, SubAgentResult } from '../tools/tool.js';
import type { Run } from './run.js';

/** Runs that tools start, as the run that calls the tool sees them. */
export abstract class SubAgents {
  /**
   * Starts the run of a sub-agent, or finds the one that this call has started before, and waits for its end.
   * When the signal is aborted for `cancel` or `timeout` the child has ended before this rejects.
   */
  abstract start(
    parent: Run,
    callId: string,
    request: SubAgentRequest,
    signal: AbortSignal,
  ): Promise<SubAgentResult>;

  /** Agents of the runs above this one, by name, the nearest first; null: the default. None for a person's run. */
  abstract agentsAbove(run: Run): Promise<(string | null)[]>;

  /** Ends what is still open of a run's sub-agents, so that nothing of it goes on after its own end. */
  abstract endAll(parent: Pick<Run, 'id' | 'tenantId'>): Promise<void>;
}
