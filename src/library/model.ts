/** `agentline/model`: the port of the model. */
export {
  type ContentBlock,
  type Effort,
  LanguageModel,
  ModelError,
  type ModelEvent,
  type ModelLimits,
  type ModelMessage,
  type ModelRequest,
  type ModelUsage,
  type TakeEvents,
  type ToolSpec,
} from '../model/language-model.js';
export { ModelModule, type OpenModel } from '../model/model.module.js';
