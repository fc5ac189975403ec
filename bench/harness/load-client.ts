import { fileURLToPath } from 'node:url';
import { Child } from './children.ts';
import type { Load, LoadResult, LoadViewer, Progress } from './load.ts';
import type { RunningCandidate } from './running-candidate.ts';

/** The bench's side of the client's process. */
export class LoadClient {
  readonly child = new Child([fileURLToPath(new URL('client.ts', import.meta.url))]);

  /** Runs a load against a candidate until all viewers are over. */
  run(
    candidate: RunningCandidate,
    viewers: LoadViewer[],
    options: { timeoutMs: number; resumePauseMs?: number },
  ): Promise<LoadResult> {
    const { moduleUrl, port, prepared } = candidate;
    const load: Load = { descriptor: moduleUrl, port, prepared, viewers, ...options };
    return this.child.calls.ask<LoadResult>('run', load);
  }

  progress(): Promise<Progress> {
    return this.child.calls.ask<Progress>('progress');
  }
}
