import { isViewerReset } from '../../../src/agent/view-plan.js';
import { placeEvents } from '../../../src/event-log/placed-event.js';
import type { PlacedRunEvent } from '../../../src/event-log/run-event.js';
import { ADA } from '../runs/run-bench.js';
import type { VirtualNode } from './virtual-node.js';
import type { World } from './world.js';

/** Somebody who watches one run, keeps a cursor over all connections, and obeys what it is told. */
export class VirtualViewer {
  seen: PlacedRunEvent[] = [];
  isConnected = false;
  private leave = new AbortController();

  constructor(
    readonly runId: string,
    private readonly world: World,
  ) {}

  get isAtEnd(): boolean {
    return this.seen.at(-1)?.type === 'done';
  }

  /** Comes to a node with the cursor that it has; a stream that ends early leaves it where it is. */
  connect(node: VirtualNode): void {
    this.cut();
    const { signal } = (this.leave = new AbortController());
    this.isConnected = true;
    void node
      .serve(() => this.watch(node, signal))
      .catch(() => undefined)
      .finally(() => {
        if (this.leave.signal === signal) this.isConnected = false;
      });
  }

  cut(): void {
    this.leave.abort();
    this.isConnected = false;
  }

  private async watch(node: VirtualNode, signal: AbortSignal): Promise<void> {
    const run = await node.bench.runs.find(ADA, this.runId);
    if (run === undefined) throw new Error(`there is no ${this.runId}`);
    const request = { sessionId: run.sessionId, runId: run.id, cursor: this.seen.at(-1)?.id, follow: false };
    const plan = await node.planner.plan(request, run);
    if (plan === undefined) return;
    for await (const batch of node.reader.read(ADA, plan, signal)) {
      if (isViewerReset(batch)) this.forget(signal);
      else for (const event of placeEvents(batch)) this.take(event, signal);
    }
  }

  private take(event: PlacedRunEvent, signal: AbortSignal): void {
    if (signal.aborted) return;
    const isStored = event.seq <= (this.world.model.known.get(this.runId)?.log.length ?? 0);
    if (!isStored && !this.world.trimmed.has(this.runId))
      this.world.faults.push(`${event.id} was shown before it was stored`);
    this.seen.push(event);
  }

  /** The viewer is told to drop what it has. */
  private forget(signal: AbortSignal): void {
    if (signal.aborted) return;
    this.seen = [];
    this.world.counts.resets += 1;
  }
}
