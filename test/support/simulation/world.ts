import { SqlEventLog } from '../../../src/event-log/sql/sql-event-log.js';
import { MessageRepository } from '../../../src/sessions/message.repository.js';
import { ADA } from '../runs/run-bench.js';
import type { ScriptedModel } from '../runs/scripted-model.js';
import type { Random } from '../random.js';
import { OwnershipModel } from './ownership-model.js';
import type { SharedStore } from './shared-store.js';
import type { VirtualClock } from './virtual-clock.js';
import { NoticeBus } from './virtual-notices.js';
import { LEASE_MS, VirtualNode } from './virtual-node.js';
import { VirtualViewer } from './virtual-viewer.js';

/** A tool did what it is for. */
export interface Effect {
  name: string;
  runId: string;
  toolCallId: string;
  idempotencyKey: string;
}

interface Work {
  node: VirtualNode;
  runId: string;
  signal: AbortSignal;
}

export interface Counts {
  crashes: number;
  refused: number;
  resets: number;
  trims: number;
  decisions: number;
}

const NODES = 3;
const SESSIONS = 2;

/** Three nodes, the store they share, and everybody who talks to them. */
export class World {
  readonly model = new OwnershipModel();
  readonly bus: NoticeBus;
  /** The log and the messages without anything in between, to see how it ended. */
  readonly log: SqlEventLog;
  readonly messages: MessageRepository;
  readonly nodes: VirtualNode[] = [];
  /** All that ever ran, by name. */
  readonly processes = new Map<string, VirtualNode>();
  readonly sessions: string[] = [];
  readonly viewers: VirtualViewer[] = [];
  readonly effects: Effect[] = [];
  /** Runs whose logs were dropped once they were over. */
  readonly trimmed = new Set<string>();
  readonly models = new Set<ScriptedModel>();
  /** When the end of a run was first handed to its log. */
  readonly endings = new Map<string, number>();
  /** What must not happen and was seen to happen. */
  readonly faults: string[] = [];
  readonly counts: Counts = { crashes: 0, refused: 0, resets: 0, trims: 0, decisions: 0 };
  private readonly working = new Set<Work>();

  constructor(
    readonly store: SharedStore,
    readonly clock: VirtualClock,
    readonly random: Random,
  ) {
    this.bus = new NoticeBus(clock, random);
    this.log = new SqlEventLog(store);
    this.messages = new MessageRepository(store);
  }

  async open(): Promise<void> {
    for (let index = 0; index < NODES; index += 1) this.nodes.push(new VirtualNode(index, this));
    const { sessions } = this.node(0).bench;
    for (let count = 0; count < SESSIONS; count += 1) {
      this.sessions.push((await sessions.create(ADA, {}, this.store.kysely)).id);
    }
  }

  node(index: number): VirtualNode {
    return this.nodes[index % NODES]!;
  }

  /** The node, or the next that answers. */
  reachable(index: number): VirtualNode | undefined {
    return [0, 1, 2].map((step) => this.node(index + step)).find(({ state }) => state === 'up');
  }

  /** A new process in the place of a dead one. */
  boot(index: number): void {
    const place = index % NODES;
    if (this.node(place).state === 'dead') this.nodes[place] = new VirtualNode(place, this);
  }

  /** Ids of all runs, oldest first. */
  get runs(): string[] {
    return [...this.model.known.keys()];
  }

  get areRunsOver(): boolean {
    return [...this.model.known.values()].every(({ row }) => row.ended_at !== null);
  }

  /** The run that was started with the message of this number. */
  runOf(number: number): string {
    const [row] = this.store.rows<{ run_id: string }>(
      'select run_id from messages where position = 0 and content_json like ?',
      `%#${number}"%`,
    );
    return row?.run_id ?? '';
  }

  /** Calls that a person was asked for, those of runs that are over too, and what was decided. */
  get requests(): { runId: string; callId: string; state: string; decision: string | null }[] {
    return this.store.rows(
      `select run_id as "runId", tool_call_id as "callId", state, decision from tool_calls
        where expires_at is not null order by run_id, tool_call_id`,
    );
  }

  /** The store forgets the log of a run that is over. */
  trim(runId: string): void {
    const known = this.model.known.get(runId);
    if (known?.end === undefined || known.row.ended_at === null) return;
    this.trimmed.add(runId);
    this.store.trim(runId);
    this.model.forget(runId);
    this.counts.trims += 1;
  }

  /** Something is done for a run that can be stopped: a model speaks, a tool works. */
  begin(node: VirtualNode, runId: string, signal: AbortSignal): () => void {
    const work = { node, runId, signal };
    this.working.add(work);
    return () => this.working.delete(work);
  }

  /** A write of this node has arrived at the store. */
  observe(node: VirtualNode): void {
    const changed = this.store.changed();
    if (changed === undefined) return;
    for (const { id, attempt } of changed.runs) {
      const known = this.model.known.get(id);
      if (known !== undefined && known.row.attempt < attempt) this.takenOver(id, node);
    }
    this.model.observe(node.name, this.clock.now, changed.runs, changed.pages);
  }

  /** Who had the run before has stopped to work on it, unless it cannot know what time it is. */
  private takenOver(runId: string, by: VirtualNode): void {
    for (const { node, runId: worked, signal } of this.working) {
      const couldKnow = node.state === 'up' && this.clock.now - node.pausedUntil > 2 * LEASE_MS;
      if (worked === runId && node !== by && couldKnow && !signal.aborted)
        this.faults.push(`node ${node.index} works on ${runId} beside its next owner, node ${by.index}`);
    }
  }
}
