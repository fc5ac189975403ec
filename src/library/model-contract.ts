/** `agentline/model/contract`: the behaviour of every model, for a spec of Jest with its globals as modules. */
export {
  describeLanguageModel,
  type Scene,
  type ScriptedUpstream,
} from '../model/language-model.contract.js';
