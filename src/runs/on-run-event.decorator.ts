import { SetMetadata } from '@nestjs/common';
import type { PlacedRunEvent, RunEventType } from '../event-log/run-event.js';
import type { Run } from './run.js';

export const RUN_EVENT_TYPES = 'agentline:on-run-event';

/** What a listener is told beside the event. */
export type ListenedRun = Pick<Run, 'id' | 'sessionId' | 'userId' | 'tenantId' | 'model'>;

type Placed<T extends RunEventType> = Extract<PlacedRunEvent, { type: T }>;

type Listener<T extends RunEventType> = (event: Placed<T>, run: ListenedRun) => unknown;

/**
 * Calls a method of any provider with the events of these types, of every run that this process works on.
 *
 * Events come in order, one at a time, after the log has them; each listener reads the log with a cursor of its
 * own, so how slow it is and what it throws (logged) touches neither the run nor other listeners. When the process
 * dies, events may be missed: what must not be missed reads the log with `AgentService.follow`.
 */
export function OnRunEvent<T extends RunEventType>(...types: T[]) {
  return <M extends Listener<T>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    SetMetadata(RUN_EVENT_TYPES, types)(target, key, descriptor);
  };
}
