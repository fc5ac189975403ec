import { AppError } from '../../../src/errors/app-error.js';
import { isOpen, type Run } from '../../../src/runs/run.js';
import { Random } from '../random.js';
import { ADA } from '../runs/run-bench.js';
import { messageFor } from './scripts.js';
import type { SharedStore } from './shared-store.js';
import type { Step, Story } from './story.js';
import type { VirtualClock } from './virtual-clock.js';
import { LEASE_MS, RUN_TIMEOUT_MS } from './virtual-node.js';
import { VirtualViewer } from './virtual-viewer.js';
import { World } from './world.js';

const DECISION_REFUSALS = new Set(['unavailable', 'conflict', 'approval_expired', 'not_found']);

/** Tells one story to its end, heals everything, and lets time run until all is over. */
export class StoryTeller {
  readonly world: World;
  healedAt = 0;
  private number = 0;
  private clients = 0;

  constructor(store: SharedStore, clock: VirtualClock, { delays }: Story) {
    this.world = new World(store, clock, new Random(delays));
  }

  async tell(steps: readonly Step[]): Promise<World> {
    const { world } = this;
    await world.open();
    await world.clock.pass(50);
    for (const each of steps) {
      this.do(each);
      await world.clock.pass(each.do === 'wait' ? each.ms : 1);
    }
    await this.heal();
    for (const each of world.nodes) each.state = 'dead';
    return world;
  }

  private do(each: Step): void {
    const { world } = this;
    switch (each.do) {
      case 'start':
        return this.start(each.node, each.session, each.script, each.twice);
      case 'view':
        return this.view(each.node, each.run);
      case 'cut':
        return this.viewer(each.viewer)?.cut();
      case 'return':
        return this.comeBack(this.viewer(each.viewer), each.node);
      case 'cancel':
        return this.cancel(each.node, each.run);
      case 'decide':
        return void this.decide(each.node, each.call, each.decision);
      case 'trim':
        return world.trim(world.runs[each.run % Math.max(1, world.runs.length)] ?? '');
      case 'crash':
      case 'pause':
      case 'resume':
        return world.node(each.node)[each.do]();
      case 'boot':
        return world.boot(each.node);
      case 'drain':
        return void world.node(each.node).drain();
      case 'fault':
        return world.node(each.node).plan(each.kind, each.calls);
      case 'link':
        world.node(each.node).link = each.link;
        return;
      case 'notices':
        return world.bus.change(each.manner);
      case 'wait':
    }
  }

  /** With a key it is said twice at once, to two nodes, and again until there is an answer; else once. */
  private start(index: number, session: number, script: string, twice: boolean): void {
    this.number += 1;
    const key = twice ? `key-${this.number}` : undefined;
    const text = messageFor(script, this.number);
    const sessionId = this.world.sessions[session % this.world.sessions.length] ?? '';
    for (const offset of twice ? [0, 1] : [0]) void this.ask(index + offset, { sessionId, text, key });
  }

  private async ask(index: number, start: { sessionId: string; text: string; key: string | undefined }) {
    const { key, sessionId, text } = start;
    const idempotency = key === undefined ? null : { key, fingerprint: text };
    this.clients += 1;
    for (let turn = index; ; turn += 1) {
      try {
        const to = this.world.reachable(turn);
        if (to !== undefined) await to.serve(() => to.runs.start({ sessionId, text, idempotency }));
        if (to !== undefined) break;
      } catch (error) {
        if (error instanceof AppError && error.code !== 'unavailable')
          this.world.faults.push(`a start was answered with ${error.code}: ${error.message}`);
      }
      if (key === undefined) break;
      await this.world.clock.sleep(500);
    }
    this.clients -= 1;
  }

  private view(index: number, run: number): void {
    const { runs, viewers } = this.world;
    const runId = runs[run % Math.max(1, runs.length)];
    if (runId === undefined) return;
    const viewer = new VirtualViewer(runId, this.world);
    viewers.push(viewer);
    this.comeBack(viewer, index);
  }

  private viewer(index: number): VirtualViewer | undefined {
    const { viewers } = this.world;
    return viewers[index % Math.max(1, viewers.length)];
  }

  private comeBack(viewer: VirtualViewer | undefined, index: number): void {
    const to = this.world.reachable(index);
    if (viewer !== undefined && to !== undefined && !viewer.isAtEnd) viewer.connect(to);
  }

  private cancel(index: number, run: number): void {
    const { runs } = this.world;
    const runId = runs[run % Math.max(1, runs.length)];
    const to = this.world.reachable(index);
    if (runId === undefined || to === undefined) return;
    this.clients += 1;
    void to
      .serve(() => to.runs.service.cancel(ADA, runId))
      .then(({ status }) => this.checkReceipt(runId, status))
      .catch(() => undefined)
      .finally(() => (this.clients -= 1));
  }

  /** What is answered as decided is stored so; said to two nodes at once, one of two decisions is refused. */
  private async decide(index: number, call: number, decision: 'approve' | 'deny'): Promise<void> {
    const { world } = this;
    const open = world.requests.filter((each) => each.state === 'waiting');
    const asked = open[call % Math.max(1, open.length)];
    if (asked === undefined) return;
    const { runId, callId } = asked;
    const said = [decision, decision === 'approve' ? ('deny' as const) : ('approve' as const)];
    this.clients += said.length;
    const answers = said.map(async (each, offset) => {
      try {
        const to = world.reachable(index + offset);
        await to?.serve(() => to.decisions.decide(ADA, runId, callId, { decision: each, reason: null }));
        return to && each;
      } catch (error) {
        const isForeseen = !(error instanceof AppError) || DECISION_REFUSALS.has(error.code);
        if (!isForeseen) world.faults.push(`a decision was answered with ${String(error)}`);
        return undefined;
      } finally {
        this.clients -= 1;
      }
    });
    const taken = (await Promise.all(answers)).filter((each) => each !== undefined);
    world.counts.decisions += taken.length;
    const stored = world.requests.find((each) => each.runId === runId && each.callId === callId);
    if (taken.some((each) => each !== stored?.decision))
      world.faults.push(`${callId} was decided: ${taken.join()}, and ${stored?.decision} is stored`);
  }

  private checkReceipt(runId: string, status: Run['status']): void {
    const { model, faults } = this.world;
    if (isOpen(status) || model.known.get(runId)?.row.status !== status)
      faults.push(`${runId} has the receipt ${status}`);
  }

  /** Everything works again from here on, and who was cut off comes back, until all is over or time is up. */
  private async heal(): Promise<void> {
    const { world } = this;
    this.healedAt = world.clock.now;
    world.bus.change('prompt');
    for (const each of world.nodes) each.heal();
    // Whoever asks for a run whose log is gone gets it all the same.
    for (const runId of world.trimmed) world.viewers.push(new VirtualViewer(runId, world));
    const isOver = () =>
      this.clients === 0 && world.areRunsOver && world.viewers.every((viewer) => viewer.isAtEnd);
    const end = this.healedAt + LEASE_MS + RUN_TIMEOUT_MS * (this.number + 1);
    while (world.clock.now < end && !isOver()) {
      for (const each of world.nodes) world.boot(each.index);
      for (const viewer of world.viewers) {
        if (!viewer.isConnected) this.comeBack(viewer, world.random.between(0, 2));
      }
      await world.clock.pass(500, isOver);
    }
  }
}
