import { setTimeout as pause } from 'node:timers/promises';
import { MarkCounter } from '../harness/mark-counter.ts';
import { planText, type RunPlan } from '../harness/plan.ts';
import type { RunningCandidate } from '../harness/running-candidate.ts';

const LOOK_MS = 50;

interface Prepared {
  authorization: string;
}

/** Calls of this server's interface beside the streams, for scenarios that only it can take. */
export class AgentlineCalls {
  private readonly candidate: RunningCandidate;

  constructor(candidate: RunningCandidate) {
    this.candidate = candidate;
  }

  async session(): Promise<string> {
    return ((await this.post('/api/agent/sessions', {})) as { id: string }).id;
  }

  /** A message that joins the session's run, or starts one. @returns the run. */
  async say(session: string, content: string): Promise<string> {
    const path = `/api/agent/sessions/${session}/messages`;
    const answer = (await this.post(path, { content, when_busy: 'steer' })) as { run: { id: string } };
    return answer.run.id;
  }

  async ended(run: string): Promise<void> {
    for (;;) {
      const { status } = (await this.ask(`/api/agent/runs/${run}`)) as { status: string };
      if (status === 'completed') return;
      if (status === 'failed' || status === 'cancelled') throw new Error(`the run ${run} has ${status}`);
      await pause(LOOK_MS);
    }
  }

  /** A run in this session, read to its end. @returns tokens, and what was wrong with them. */
  async run(session: string, plan: RunPlan): Promise<{ tokens: number; problems: string[] }> {
    const answer = await this.fetch('/api/agent/stream', {
      method: 'POST',
      body: JSON.stringify({ session_id: session, content: planText(plan) }),
    });
    const marks = new MarkCounter(plan.run, () => {});
    marks.take(Buffer.from(await answer.arrayBuffer()).toString('latin1'));
    const { next: tokens, problems } = marks;
    if (tokens < plan.tokens) problems.push(`run ${plan.run}: ${tokens} of ${plan.tokens} tokens`);
    return { tokens, problems };
  }

  async messages(session: string): Promise<number> {
    const answer = (await this.ask(`/api/agent/sessions/${session}/messages`)) as { data: unknown[] };
    return answer.data.length;
  }

  private post(path: string, body: object): Promise<unknown> {
    return this.ask(path, { method: 'POST', body: JSON.stringify(body) });
  }

  private async ask(path: string, options: RequestInit = {}): Promise<unknown> {
    return (await this.fetch(path, options)).json();
  }

  private async fetch(path: string, options: RequestInit): Promise<Response> {
    const { authorization } = this.candidate.prepared as Prepared;
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await fetch(this.candidate.url + path, { ...options, headers });
    if (answer.ok) return answer;
    throw new Error(`${path}: ${answer.status} ${(await answer.text()).slice(0, 300)}`);
  }
}
