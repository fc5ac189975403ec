import type { EventLog } from '../../event-log/event-log.js';
import type { AgentProfile } from '../../agents/agent-profile.js';
import type { Agents } from '../../agents/agents.js';
import type { FrameRepository } from '../../context/frame.repository.js';
import type { LanguageModel } from '../../model/language-model.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import type { SessionRepository } from '../../sessions/session.repository.js';
import type { ToolCaller } from '../../tools/tool-caller.js';
import type { ToolRegistry } from '../../tools/tool-registry.js';
import type { RunMeter } from '../../usage/run-meter.js';
import type { Run } from '../run.js';
import type { RunRepository } from '../run.repository.js';
import type { SubAgents } from '../sub-agents.js';
import type { RunInputRepository } from './run-input.repository.js';
import type { ApprovalSettings } from './tool-approvals.js';
import type { ToolLedgerRepository } from './tool-ledger.repository.js';

/** What the loop of a run works with. */
export interface LoopDependencies {
  log: EventLog;
  model: LanguageModel;
  runs: RunRepository;
  sessions: SessionRepository;
  messages: MessageRepository;
  ledger: ToolLedgerRepository;
  inputs: RunInputRepository;
  agents: Pick<Agents, 'find'>;
  frames: FrameRepository;
  registry: ToolRegistry;
  caller: ToolCaller;
  subAgents: SubAgents;
  approvals: ApprovalSettings;
  limits: LoopLimits;
  /** The account of a run, for one attempt. */
  openMeter(run: Run, limits: AgentProfile['limits']): RunMeter;
  delay: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  random: () => number;
  /** Something failed that nobody foresaw; for the operator. */
  onUnexpected(error: unknown, run: Run): void;
}

/** Of the server, for every run; times in milliseconds. */
export interface LoopLimits {
  maxTurns: number;
  maxTokens: number;
  /** How often in a row the same calls may have the same results before a run counts as going in circles. */
  maxRepeats: number;
  toolTimeoutMs: number;
  callTimeoutMs: number;
  /** Length of a prompt, in tokens, from which on it is summarised; null: by what the model can take. */
  compactAt: number | null;
}
