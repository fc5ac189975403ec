import { planText } from '../harness/plan.ts';
import type { RunningCandidate } from '../harness/running-candidate.ts';
import type { Measurement } from '../harness/scenario.ts';
import { AgentlineCalls } from './agentline-calls.ts';

const AT_ONCE = 32;
const MOST_AT_A_TIME = 512;
/** What one message is thought to take before any was sent, in milliseconds. */
const FIRST_GUESS_MS = 20;
const LEAST_MS = 500;

/** Sessions of a candidate by the number of their messages, made once. */
const made = new WeakMap<RunningCandidate, Map<number, string>>();

/** Sessions with so many messages. Messages join a run whose model is silent meanwhile: a run for each takes longer. */
export async function histories(measurement: Measurement, sizes: number[]): Promise<Map<number, string>> {
  const { candidate } = measurement;
  const sessions = made.get(candidate) ?? new Map<number, string>();
  made.set(candidate, sessions);
  for (const size of sizes.filter((wanted) => !sessions.has(wanted))) {
    sessions.set(size, await history(measurement, size));
  }
  return sessions;
}

async function history({ candidate, nextRun }: Measurement, size: number): Promise<string> {
  const calls = new AgentlineCalls(candidate);
  const session = await calls.session();
  let each = FIRST_GUESS_MS;
  for (;;) {
    // The run itself brings two.
    const missing = Math.min(MOST_AT_A_TIME, size - (await calls.messages(session)) - 2);
    if (missing < 0) return session;
    const waitMs = Math.max(LEAST_MS, Math.ceil(missing * each * 1.3));
    const run = await calls.say(session, planText({ run: nextRun(), tokens: 1, rate: 0, waitMs }));
    const begin = performance.now();
    for (let said = 0; said < missing; said += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, missing - said) }, (_, index) => said + index);
      await Promise.all(some.map((number) => calls.say(session, `Go on, please, this is word ${number}.`)));
    }
    if (missing > 0) each = (performance.now() - begin) / missing;
    await calls.ended(run);
  }
}
