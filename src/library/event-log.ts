/** `agentline/event-log`: the port of the log, and what a store of one's own is made with. */
export {
  EventLog,
  type LogEnd,
  type LogEntry,
  type LogPage,
  type LogWriter,
} from '../event-log/event-log.js';
export { EventLogModule, type OpenEventLog } from '../event-log/event-log.module.js';
export { LogLost } from '../event-log/log-lost.js';
export { lastSeq, pageAfter, pageSize } from '../event-log/log-page.js';
export {
  type Continuation,
  endOf,
  type LogPlace,
  type LogStore,
  type PageOutcome,
  READ_SIZE,
  writerKey,
} from '../event-log/log-store.js';
export { StoredEventLog, type StoredLogOptions } from '../event-log/stored-event-log.js';
