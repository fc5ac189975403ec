/** What the model is to say in one run. It travels as the text of the user's message, through every candidate. */
export interface RunPlan {
  /** Unique within the bench: part of every mark. */
  run: number;
  tokens: number;
  /** Tokens a second; 0: as fast as the connection takes them, in slices of 16 KB. */
  rate: number;
  /** Characters of filling in every token, beside its mark. */
  size?: number;
  /** Tokens in one write of a run with a rate; 1 by default. */
  group?: number;
  /** Milliseconds of silence before the first token; none by default. */
  waitMs?: number;
}

const PLAN = /bench-plan run=(\d+) tokens=(\d+) rate=(\d+(?:\.\d+)?) size=(\d+) group=(\d+) wait=(\d+)/g;

/** The user's message that asks the model for this run. */
export function planText({ run, tokens, rate, size = 5, group = 1, waitMs = 0 }: RunPlan): string {
  return `bench-plan run=${run} tokens=${tokens} rate=${rate} size=${size} group=${group} wait=${waitMs}`;
}

/** The last plan that a request to the model speaks of. */
export function findPlan(text: string): Required<RunPlan> | undefined {
  const found = [...text.matchAll(PLAN)].at(-1);
  if (found === undefined) return undefined;
  const [run = 0, tokens = 0, rate = 0, size = 0, group = 1, waitMs = 0] = found.slice(1).map(Number);
  return { run, tokens, rate, size, group, waitMs };
}
