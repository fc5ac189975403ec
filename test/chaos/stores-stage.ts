import { expect } from '@jest/globals';
import { Cluster, type ClusterOptions } from '../support/cluster/cluster.js';
import { faultsIn, readWhole } from '../support/cluster/invariants.js';
import type { PostgresServer, RedisServer } from '../support/cluster/store-processes.js';
import { Stores } from '../support/cluster/stores.js';
import type { Target, Viewer, ViewerOptions } from '../support/cluster/viewer.js';
import { dataOf, textOf } from '../support/event-list.js';
import { until, within } from '../support/until.js';
import { answerTalk, askFor, type Talk, textOfTalk } from './stores-talk.js';

/** How long a run may take to its end after all is well again. */
const END_MS = 40_000;

/** One story: servers on stores that outlive it, runs that talk, and who watches them. */
export class Stage {
  targets: Target[] = [];
  viewers: Viewer[] = [];
  /** Whether all that was begun has ended well: then another story may use the same servers. */
  isSound = true;

  private constructor(readonly cluster: Cluster) {}

  /** Without a Redis the log is in PostgreSQL. Leases of 1.5 s (of 10), unless said otherwise. */
  static async start(
    { postgres, redis }: { postgres: PostgresServer; redis?: RedisServer },
    options: Partial<ClusterOptions> = {},
  ): Promise<Stage> {
    const cluster = await Cluster.start({
      log: redis === undefined ? 'sql' : 'redis',
      nodes: 2,
      script: answerTalk,
      stores: Stores.of(postgres, redis),
      ...options,
    });
    return new Stage(cluster);
  }

  /** A run that begins on one server, watched on each by SSE and by socket. */
  async run(name: string, talk: Talk, node = 0, options: ViewerOptions = {}): Promise<Target> {
    this.isSound = false;
    const target = await this.cluster.begin(askFor(name, talk), node);
    this.targets.push(target);
    this.watch(target, options);
    return target;
  }

  /** On each server, and staying there. */
  watch(target: Target, options: ViewerOptions = {}): void {
    for (let node = 0; node < this.cluster.nodes.length; node += 1) {
      for (const transport of ['sse', 'ws'] as const) {
        this.viewers.push(this.cluster.watch(target, node, { moves: false, transport, ...options }));
      }
    }
  }

  viewersOf(target: Target): Viewer[] {
    return this.viewers.filter((viewer) => viewer.target.runId === target.runId);
  }

  /** Until each viewer has seen some of its run. */
  async isUnderWay(events = 5): Promise<void> {
    const viewers = this.viewers.filter(({ isDone }) => !isDone);
    await until('every viewer to see events', () => viewers.every(({ list }) => list.length >= events));
  }

  /** Milliseconds from `since` until every viewer had seen something new or the end. */
  resumedAfter(since: number): number {
    const firsts = this.viewers.map(({ list }) => list.find(({ at }) => at >= since)?.at ?? since);
    return Math.max(0, ...firsts) - since;
  }

  /** Waits for the end of every run, and checks what all saw against what the log says. */
  async expectWhole(): Promise<void> {
    expect(await this.expectEnds()).toEqual(this.targets.map(() => 'completed'));
  }

  /** The same, but runs may have failed for that reason. @returns how each ended. */
  async expectWholeOr(code: string): Promise<string[]> {
    const endings = await this.expectEnds(true);
    expect(['completed', code]).toEqual(expect.arrayContaining(endings));
    return endings;
  }

  /** How each run ended: its status, or the code of its error. */
  async expectEnds(mayFail = false): Promise<string[]> {
    const ends = Promise.all(this.viewers.map(({ over }) => over));
    await within(END_MS, 'every viewer to see the end', ends).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.viewers.map(stateOf).join('\n')}\n${this.outputs()}`);
    });
    const ready = await Promise.all(this.cluster.nodes.map(({ server }) => server.isReady()));
    expect([ready, ready.includes(false) ? this.outputs() : '']).toEqual([ready.map(() => true), '']);
    const evidence = { targets: this.targets, viewers: this.viewers, mayFail };
    const faults = await faultsIn(this.cluster, evidence).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.outputs()}`);
    });
    expect(faults).toEqual([]);
    const endings = await Promise.all(this.targets.map((target) => this.endingOf(target)));
    this.isSound = true;
    return endings;
  }

  private async endingOf(target: Target): Promise<string> {
    const log = await readWhole(this.cluster.api(1), target);
    const { status } = dataOf(log.at(-1));
    if (status === 'failed') return dataOf(log.at(-2)).code;
    if (status === 'completed') expect(textOf(log)).toBe(textOfTalk(target.content));
    return status;
  }

  /** Rows of the sessions that were begun: more than one a session would be a run made twice. */
  async countRuns(): Promise<number> {
    const sessions = this.targets.map(({ sessionId }) => sessionId);
    const count = 'select count(*)::int as count from runs where session_id = any($1)';
    return (await this.cluster.query<{ count: number }>(count, [sessions]))[0]!.count;
  }

  /** How many lives each run had. */
  async attempts(): Promise<number[]> {
    const ids = this.targets.map(({ runId }) => runId);
    const attempts = 'select attempt from runs where id = any($1) order by id';
    return (await this.cluster.query<{ attempt: number }>(attempts, [ids])).map(({ attempt }) => attempt);
  }

  /** For the next story on the same servers. */
  clear(): void {
    for (const viewer of this.viewers) viewer.stop();
    this.targets = [];
    this.viewers = [];
  }

  get events(): number {
    return this.viewers.reduce((sum, { list }) => sum + list.length, 0);
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
  }

  private outputs(): string {
    const { postgres, redis } = this.cluster.stores;
    const ofNodes = this.cluster.nodes.map(
      (node) => `${node.name} at ${node.url}: ${node.output.slice(-3_000)}`,
    );
    const ofStores = [postgres, redis].map((store) => store && `${store.url}: ${store.output.slice(-1_000)}`);
    return [...ofNodes, ...ofStores].join('\n');
  }
}

function stateOf({ target, node, list, problems }: Viewer): string {
  return `${target.content} on ${node}: at ${list.at(-1)?.id} ${list.at(-1)?.event} ${problems.join('; ')}`;
}
