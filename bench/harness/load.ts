import type { RunPlan } from './plan.ts';

/** What the client's process is asked to do, and what it answers. All of it survives JSON. */
export interface Load {
  /** URL of the module with the descriptor. */
  descriptor: string;
  port: number;
  prepared: unknown;
  viewers: LoadViewer[];
  timeoutMs: number;
  /** Viewers that were cut come back together, so long after the last was cut; alone and at once by default. */
  resumePauseMs?: number;
}

export interface LoadViewer {
  run: RunPlan;
  /** Milliseconds after the beginning of the load at which it connects. */
  startMs?: number;
  /** Its connection is cut once it has so many tokens, and it comes back. */
  cutAfter?: number;
  /** Index of the viewer that starts the run; this one watches it. Without: it starts the run itself. */
  watches?: number;
  /** The same over a WebSocket. */
  socket?: boolean;
}

/** Of times in milliseconds. */
export interface Spread {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

export interface LoadResult {
  /** Tokens that came, once each. */
  tokens: number;
  /** All of them: lost, doubled, reordered, refused, broken off, too late. At most 20 are told. */
  problems: string[];
  cuts: number;
  /** How often viewers came back because the server had ended their streams before the last event. */
  returns: number;
  /** From the load's beginning until the last viewer had all, in milliseconds. */
  wallMs: number;
  /** From the request until the first token. */
  firstToken: Spread;
  /** From the model's write to the client's read, of paced runs: before any cut. */
  latency: Spread;
  /** From coming back until the next token, of viewers that were cut. */
  resumed: Spread;
}

export interface Progress {
  /** Tokens that have come so far. */
  tokens: number;
  /** Viewers that have a token. */
  begun: number;
  /** Viewers that have all. */
  done: number;
  /** Viewers that were cut. */
  cut: number;
  /** Of these, those that have had a token since. */
  back: number;
}

export function spreadOf(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}
