/** `agentline/event-log/contract`: the behaviour of every log, for a spec of Jest with its globals as modules. */
export { describeEventLog } from '../event-log/event-log.contract.js';
export type { EventLogBench } from '../event-log/log-stage.contract.js';
