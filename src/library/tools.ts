/** `agentline/tools`: what an agent may do. */
export { ToolError } from '../tools/tool-error.js';
export type {
  SubAgentRequest,
  SubAgentResult,
  ToolApproval,
  ToolContext,
  ToolOptions,
} from '../tools/tool.js';
export { Tool } from '../tools/tool.decorator.js';
