/** `agentline/agent`: start, follow and cancel runs from code; agents; listeners. */
export { AgentModule } from '../agent/agent.module.js';
export { AgentService, type StartRequest } from '../agent/agent.service.js';
export { type FollowRequest, isViewerReset, type View, type ViewBatch } from '../agent/view-plan.js';
export type { AgentLimits, AgentProfile, ApprovalRule } from '../agents/agent-profile.js';
export { Agent } from '../agents/agent.decorator.js';
export { placeEvents } from '../event-log/placed-event.js';
export type {
  PlacedRunEvent,
  RunEvent,
  RunEventData,
  RunEventType,
  RunStatus,
  Usage,
} from '../event-log/run-event.js';
export { type ListenedRun, OnRunEvent } from '../runs/on-run-event.decorator.js';
export type { Run } from '../runs/run.js';
export type { CancelReceipt } from '../runs/runs.service.js';
