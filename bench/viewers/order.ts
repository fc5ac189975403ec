import type { RunPlan } from '../harness/plan.ts';

/** What the crowd's process is asked to open. Survives JSON. */
export interface Order {
  /** URL of the module with the descriptor. */
  descriptor: string;
  port: number;
  prepared: unknown;
  kind: 'sse' | 'socket';
  count: number;
  /** The run that the first viewer starts and the others watch; without it connections are idle. */
  run?: RunPlan;
  /** The first of them starts the run, always as SSE; otherwise it has been started by an earlier order. */
  starts?: boolean;
  /** They stop reading after their first event, until they are told to go on. */
  stalled?: boolean;
  /** So many tokens, each for one viewer (from the second on): it is cut there and comes back. */
  cutsAfter?: number[];
}

export interface Counted {
  viewers: number;
  /** Tokens that came, once each. */
  tokens: number;
  /** Viewers that have all. */
  done: number;
  beats: number;
  cuts: number;
  /** At most 20: lost, doubled, reordered, refused, broken off. */
  problems: string[];
}
