import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { send } from '../api.js';
import { ROOT } from '../build.js';
import { ServerProcess } from '../server-process.js';
import { until } from '../until.js';

/** As in `npm run start:prod`, with a collector that can be called. */
const FLAGS = [
  '--max-semi-space-size=32',
  '--initial-old-space-size=128',
  '--heap-growing-percent=30',
  '--expose-gc',
];
/** As `src/main.ts` has it: most of what a start costs is compiling. */
const COMPILE_CACHE = join(ROOT, 'node_modules/.cache/agentline');
const READINGS = 3;
const BETWEEN_READINGS_MS = 200;
const METRICS_TOKEN = 'a-token-for-the-checker';

/** What a process holds, by its own count. */
export interface Held {
  fds: number;
  handles: number;
  streams: number;
  runs: number;
  heapBytes: number;
}

/** One of the servers; it knows the names under which the database has known its processes. */
export class ClusterNode {
  private readonly holders = new Set<string>();
  private ended = false;

  private constructor(
    readonly index: number,
    readonly server: ServerProcess,
  ) {}

  static async start(
    index: number,
    env: Record<string, string | undefined>,
    flags: string[] = [],
  ): Promise<ClusterNode> {
    const command: [string, ...string[]] = [
      process.execPath,
      ...FLAGS,
      ...flags,
      'test/support/cluster/app/chaos-server.mjs',
    ];
    const name = nameOf(index);
    const own = {
      NODE_NAME: name,
      ANTHROPIC_API_KEY: name,
      METRICS_TOKEN,
      NODE_COMPILE_CACHE: COMPILE_CACHE,
    };
    const server = await ServerProcess.start({ command, env: { ...env, ...own }, ready: false });
    const node = new ClusterNode(index, server);
    await node.comesUp();
    return node;
  }

  get url(): string {
    return this.server.url;
  }

  get name(): string {
    return nameOf(this.index);
  }

  /** Whether one of its processes had this name in `runs.owner`. */
  hasHeld(owner: string | null): boolean {
    for (const [, holder = ''] of this.server.stdout.matchAll(/^holder (\w+)$/gm)) this.holders.add(holder);
    return owner !== null && this.holders.has(owner);
  }

  async becomesReady(ms = 30_000): Promise<void> {
    await until(
      `${this.name} to be ready`,
      async () => {
        if (this.ended) throw new Error(`${this.name} ended: ${this.output}`);
        return this.server.isReady();
      },
      ms,
    );
  }

  /** Dies as by a power cut. */
  async kill(): Promise<void> {
    this.hasHeld(null);
    await this.server.crash();
  }

  /** Is started again, and ready when this returns. */
  async restart(): Promise<void> {
    this.server.launch();
    await this.comesUp();
  }

  /** Asked to end, as by a deploy. @returns how it ended. */
  async terminate() {
    this.hasHeld(null);
    this.server.kill('SIGTERM');
    return this.server.exited;
  }

  private async comesUp(): Promise<void> {
    this.ended = false;
    const { exited } = this.server;
    void exited.then(() => (this.ended = exited === this.server.exited));
    await this.becomesReady();
  }

  get output(): string {
    return this.server.stdout + this.server.stderr;
  }

  /** After garbage collections: the least that was read, since a signal may come after the question. */
  async held(): Promise<Held> {
    const readings: Held[] = [];
    for (let n = 0; n < READINGS; n += 1) {
      this.server.kill('SIGUSR2');
      await delay(BETWEEN_READINGS_MS);
      readings.push(heldBy(await this.metrics()));
    }
    return readings.reduce((least, next) => (next.heapBytes < least.heapBytes ? next : least));
  }

  async metrics(): Promise<string> {
    const answer = await send('GET', `${this.url}/metrics`, undefined, {
      authorization: `Bearer ${METRICS_TOKEN}`,
    });
    if (answer.status !== 200) throw new Error(`${this.name}: metrics ${answer.status} ${answer.text}`);
    return answer.text;
  }
}

function heldBy(metrics: string): Held {
  return {
    fds: numberOf(metrics, 'process_open_fds'),
    handles: numberOf(metrics, 'nodejs_active_handles_total'),
    streams: numberOf(metrics, 'agentline_streams_open'),
    runs: numberOf(metrics, 'agentline_runs_active'),
    heapBytes: numberOf(metrics, 'nodejs_heap_size_used_bytes'),
  };
}

/** The sum of a measure over its labels. */
export function numberOf(metrics: string, name: string): number {
  const values = [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

function nameOf(index: number): string {
  return `node-${index}`;
}
