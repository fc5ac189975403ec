import { SetMetadata } from '@nestjs/common';
import type { AgentProfile } from './agent-profile.js';

/** Metadata key under which a class keeps its `AgentProfile`. */
export const AGENT_PROFILE = 'agentline:agent';

/**
 * Makes a provider an agent: its profile can be named by sessions, runs and sub-agents. The class may be empty; it
 * is found in any module that provides it.
 */
export function Agent(profile: AgentProfile): ClassDecorator {
  return SetMetadata(AGENT_PROFILE, profile);
}
