import type { FollowTarget, StreamEvent } from './wire.js';

/** What a connection tells: an event, when to come back, or that there is nothing more to come. */
export type Heard =
  | { kind: 'open' }
  | { kind: 'event'; event: StreamEvent }
  | { kind: 'retry'; milliseconds: number }
  | { kind: 'over' };

/**
 * One connection to the server, over one of its transports. It ends when the connection does, in the usual way or not.
 * @throws AgentlineError, passing or final. @throws the reason of `signal` when that is aborted.
 */
export type Connect = (target: FollowTarget, signal: AbortSignal) => AsyncGenerator<Heard, void>;
