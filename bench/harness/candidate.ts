import type { RunPlan } from './plan.ts';

/** One HTTP/1.1 request; `host`, `connection` and `content-length` are added by the client. */
export interface RawRequest {
  method: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** Text messages that are sent once the connection is a WebSocket (101). */
  messages?: string[];
}

/** Where and beside what a candidate is started. */
export interface Place {
  /** It must listen here, on 127.0.0.1. */
  port: number;
  /** Base URL of the model, as in ANTHROPIC_BASE_URL: without `/v1`. */
  modelUrl: string;
  /** An empty folder of its own, removed at the end. */
  folder: string;
  /** URL of a database of its own in PostgreSQL, for those that need `postgres`. */
  postgresUrl?: string;
  /** URL of a Redis, for those that need `redis`. */
  redisUrl?: string;
}

export interface Command {
  /** Arguments of Node: flags, entry and the entry's own. The probe is added by the harness. */
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
}

/** A viewer that has seen a part of a run, as the client tells of it. */
export interface Seen {
  run: RunPlan;
  /** Tokens that it has. */
  received: number;
  /** Last `id:` of a whole event. */
  lastEventId: string | undefined;
  /** The first 4 KB of the first response's body, as latin1. */
  beginning: string;
}

/**
 * What the harness must know of a candidate: the default export of `candidates/<name>/descriptor.ts`. The module is
 * loaded in the bench and in the client's process, so it must be light and must not import the candidate itself.
 */
export interface Descriptor<Prepared = unknown> {
  /** The folder's name. */
  name: string;
  /** In the table. */
  title: string;
  /** Names and versions of what is measured. */
  version: () => string;
  needs?: ('postgres' | 'redis')[];
  start: (place: Place) => Command;
  /** Path that answers 200 when the candidate is ready; `/ready` by default. */
  readyPath?: string;
  /** Once after each start: what requests need (a token, a cookie). Survives JSON. */
  prepare?: (url: string) => Promise<Prepared>;
  /** Starts a run whose user message is `text`, and answers with its stream. */
  request: (text: string, prepared: Prepared) => RawRequest;
  /** Goes on after what was seen; null when the candidate cannot: its viewers are then never cut. */
  resume: ((seen: Seen, prepared: Prepared) => RawRequest) | null;
  /** One more viewer of a run, from its first event on. */
  watch?: (seen: Seen, prepared: Prepared) => RawRequest;
  /** The same over a WebSocket. */
  watchSocket?: (seen: Seen, prepared: Prepared) => RawRequest;
  /** A connection that stays open and has nothing to say but heartbeats. */
  idle?: (prepared: Prepared) => RawRequest;
  /** The same over a WebSocket. */
  idleSocket?: (prepared: Prepared) => RawRequest;
  /** Number of an event in its run from its id: the client then checks that each is one more than the last. */
  sequence?: (eventId: string) => number;
  /** Text that only the last event has; a response that ends without it is a loss. */
  lastEvent?: string;
  /**
   * Events (from blank line to blank line) with this text are not searched for marks. For streams that repeat the
   * whole text at their end.
   */
  ignoredEvent?: string;
}
