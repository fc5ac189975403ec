import { type HearNotice, Notices, type NoticeTopic } from '../../../src/database/notices.js';
import type { Random } from '../random.js';
import type { Process, VirtualClock } from './virtual-clock.js';

/** How the bus treats what is sent. Only when it is `deaf` those who listen know of it. */
export const BUS_MANNERS = ['prompt', 'late', 'lossy', 'mute', 'doubling', 'deaf'] as const;
export type BusManner = (typeof BUS_MANNERS)[number];

/** Carries notices between nodes, as badly as the story wants. */
export class NoticeBus {
  manner: BusManner = 'prompt';
  random: Random;
  private readonly nodes = new Set<VirtualNotices>();

  constructor(
    readonly clock: VirtualClock,
    random: Random,
  ) {
    this.random = random;
  }

  join(process: Process): VirtualNotices {
    const notices = new VirtualNotices(this, process);
    this.nodes.add(notices);
    return notices;
  }

  /** `deaf`: the nodes know that they hear nothing. Afterwards they are told that anything may have happened. */
  change(manner: BusManner): void {
    const wasDeaf = this.manner === 'deaf';
    this.manner = manner;
    if (wasDeaf && manner !== 'deaf') for (const node of this.nodes) this.tell(node, 'unknown', 0);
  }

  carry(from: VirtualNotices, topic: NoticeTopic, id: string): void {
    if (this.manner === 'deaf' || this.manner === 'mute') return;
    for (const node of this.nodes) {
      if (node === from || node.process.state === 'dead') continue;
      const times = this.manner === 'doubling' ? 2 : this.manner === 'lossy' ? this.random.between(0, 1) : 1;
      for (let time = 0; time < times; time += 1) this.tell(node, { topic, id }, this.delay);
    }
  }

  private get delay(): number {
    return this.manner === 'late' ? this.random.between(100, 3_000) : this.random.between(0, 20);
  }

  private tell(node: VirtualNotices, what: { topic: NoticeTopic; id: string } | 'unknown', ms: number): void {
    this.clock.as(node.process, () => this.clock.set(() => node.hear(what), ms));
  }
}

/** The notices of one node. */
export class VirtualNotices extends Notices {
  private readonly listeners: [NoticeTopic, HearNotice][] = [];

  constructor(
    private readonly bus: NoticeBus,
    readonly process: Process,
  ) {
    super();
  }

  override get isLive(): boolean {
    return this.bus.manner !== 'deaf';
  }

  override send(topic: NoticeTopic, id: string): void {
    if (this.process.state !== 'dead') this.bus.carry(this, topic, id);
  }

  override listen(topic: NoticeTopic, hear: HearNotice): () => void {
    const entry: [NoticeTopic, HearNotice] = [topic, hear];
    this.listeners.push(entry);
    return () => {
      const index = this.listeners.indexOf(entry);
      if (index >= 0) this.listeners.splice(index, 1);
    };
  }

  hear(what: { topic: NoticeTopic; id: string } | 'unknown'): void {
    for (const [topic, hear] of this.listeners.slice()) {
      if (what === 'unknown') hear('unknown');
      else if (what.topic === topic) hear([what.id]);
    }
  }
}
