import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { Api, type RunBody } from '../api.js';
import { within } from '../until.js';
import { FakeUpstream, type Script, type UpstreamCall } from '../fake-upstream.js';
import { ClusterNode } from './cluster-node.js';
import { Effects } from './effects.js';
import { FaultProxy } from './fault-proxy.js';
import { askedIn, nameOf } from './plan.js';
import { type LogKind, Stores } from './stores.js';
import { type Target, Viewer, type ViewerOptions } from './viewer.js';

export interface ClusterOptions {
  log: LogKind;
  /** Number of servers; 3 when not given. */
  nodes?: number;
  /** Variables of every server. */
  env?: Record<string, string | undefined>;
  /** Variables of one server, by its index. */
  nodeEnv?: (index: number) => Record<string, string | undefined>;
  /** Flags of Node for one server. */
  flags?: (index: number) => string[];
  /** Each server reaches its stores through proxies of its own, which can be broken. */
  proxied?: boolean;
  /** What the model answers. */
  script: Script;
  /** Stores that several clusters share; without them the cluster starts and ends its own. */
  stores?: Stores;
  /** Ada's token, when not one of an hour. */
  token?: string;
}

/** The way of one server to one store. */
export interface Ways {
  postgres: FaultProxy;
  redis: FaultProxy | undefined;
}

const CALM = { LOG_LEVEL: 'warn', LEASE_MS: '1500' };

/** Some servers on the same stores, a model that does as told, and a world in which tools take effect. */
export class Cluster {
  readonly nodes: ClusterNode[] = [];
  /** By the server's index; empty when the cluster is not proxied. */
  readonly ways: Ways[] = [];
  readonly viewers: Viewer[] = [];
  private readonly apis: Api[] = [];

  private constructor(
    readonly options: ClusterOptions,
    readonly stores: Stores,
    readonly database: string,
    readonly upstream: FakeUpstream,
    readonly effects: Effects,
  ) {}

  static async start(options: ClusterOptions): Promise<Cluster> {
    const stores = options.stores ?? (await Stores.start(options.log === 'redis' ? ['redis'] : ['sql']));
    const upstream = await FakeUpstream.start(options.script);
    const cluster = new Cluster(options, stores, await stores.newDatabase(), upstream, await Effects.start());
    try {
      // All at once: which of them makes the tables is a race that they have to settle.
      const adding = Array.from({ length: options.nodes ?? 3 }, (_, index) => cluster.add(index));
      const added = await Promise.allSettled(adding);
      for (const one of added) if (one.status === 'rejected') throw one.reason;
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get log(): LogKind {
    return this.options.log;
  }

  /** The database as the test itself reaches it, whatever is broken for the servers. */
  get databaseUrl(): string {
    return withPath(this.stores.postgres.url, this.database);
  }

  /** Ada's calls of one server. */
  api(node: number): Api {
    return this.apis[node % this.apis.length]!;
  }

  /** Which server works on the run, or did last; undefined when none ever did. */
  async ownerOf(runId: string): Promise<ClusterNode | undefined> {
    const [row] = await this.query<{ owner: string | null }>('select owner from runs where id = $1', [runId]);
    return row && this.nodes.find((node) => node.hasHeld(row.owner));
  }

  /** Which server has made a call of the model. */
  callerOf(call: UpstreamCall): ClusterNode {
    const { authorization, 'x-api-key': key } = call.headers;
    return this.nodes.find((node) => node.name === (key ?? authorization?.replace('Bearer ', '')))!;
  }

  /** Calls of the model for the run that was begun with this text. */
  callsOf(content: string): UpstreamCall[] {
    return this.upstream.calls.filter((call) => askedIn(call).content === content);
  }

  async query<T>(text: string, values: unknown[] = []): Promise<T[]> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    try {
      return (await client.query(text, values)).rows as T[];
    } finally {
      await client.end();
    }
  }

  /** A new session and a run in it. Asked again, of the next server, as long as none takes it. */
  async begin(content: string, node = 0): Promise<Target> {
    const sessionId = await this.insist(node, (api) => api.createSession());
    const run = await this.post(sessionId, content, node);
    return { sessionId, runId: run.id, content };
  }

  /** A run; `content` is its idempotency key, so that asking again makes no second one. */
  async post(sessionId: string, content: string, node = 0): Promise<RunBody> {
    const path = `/api/agent/sessions/${sessionId}/messages`;
    return this.insist(node, async (api) => {
      const headers = { 'idempotency-key': content.slice(0, 255) };
      const answer = await api.call<{ run: RunBody }>('POST', path, { content }, headers);
      if (answer.status !== 202) throw new Refusal(answer.status, answer.text);
      return answer.body.run;
    });
  }

  /** Watches a run from a server on, over every end of a connection, until its `done`. */
  watch(target: Target, node: number, options: ViewerOptions = {}): Viewer {
    const viewer = new Viewer(
      this.nodes.map((each) => each.url),
      this.api(0),
      target,
      { ...options, node },
    );
    this.viewers.push(viewer);
    return viewer;
  }

  /** Waits until all have seen the end; what does not come to one is described. */
  async overAll(viewers: Viewer[], ms: number): Promise<void> {
    const all = Promise.all(viewers.map(({ over }) => over));
    try {
      await within(ms, 'all runs to end', all);
    } catch (error) {
      const stuck = await Promise.all(
        viewers.filter(({ hasEnded }) => !hasEnded).map((each) => this.describe(each)),
      );
      const said = this.nodes.map(({ name, output }) => `${name} said:\n${output.slice(-1_500)}`);
      throw new Error([String(error), ...stuck, ...said].join('\n'), { cause: error });
    }
  }

  /** Calls a server, and the next one, until one answers well; 4xx but 408 and 429 are final. */
  async insist<T>(node: number, call: (api: Api) => Promise<T>, ms = 60_000): Promise<T> {
    const deadline = performance.now() + ms;
    for (let at = node; ; at += 1) {
      try {
        return await call(this.api(at));
      } catch (error) {
        if (isFinal(error as Error) || performance.now() > deadline) throw error;
        await delay(20);
      }
    }
  }

  async stop(): Promise<void> {
    for (const viewer of this.viewers) viewer.stop();
    await Promise.all(this.nodes.map((node) => node?.server.stop()));
    for (const { postgres, redis } of this.ways.filter((each) => each !== undefined))
      await Promise.all([postgres.close(), redis?.close()]);
    await this.upstream.stop();
    await this.effects.stop();
    if (this.options.stores === undefined) await this.stores.stop();
  }

  private async describe(viewer: Viewer): Promise<string> {
    const { target, list, node, connections, transport, problems } = viewer;
    const columns = `status, attempt, owner, checkpoint_seq, last_event_id,
      lease_until - cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as lease_left`;
    const [row] = await this.query<{ owner: string }>(`select ${columns} from runs where id = $1`, [
      target.runId,
    ]);
    const owner = this.nodes.find((each) => each.hasHeld(row?.owner ?? null))?.name;
    return (
      `${nameOf(target.content)} by ${transport} at node ${node} after ${connections} connections: ` +
      `${list.at(-1)?.event} ${list.at(-1)?.id} of ${list.length}, ${problems.length} problems; ${owner}: ${JSON.stringify(row)}`
    );
  }

  private async add(index: number): Promise<void> {
    const ways = this.options.proxied === true ? await this.openWays() : undefined;
    if (ways) this.ways[index] = ways;
    const { postgres, redis } = this.stores;
    const env = {
      ...CALM,
      ANTHROPIC_BASE_URL: this.upstream.url,
      EFFECTS_URL: this.effects.url,
      DATABASE_URL: withPath(withPort(postgres.url, ways?.postgres.port), this.database),
      ...(this.log === 'redis' && redis ? { REDIS_URL: withPort(redis.url, ways?.redis?.port) } : {}),
      ...this.options.env,
      ...this.options.nodeEnv?.(index),
    };
    const node = await ClusterNode.start(index, env, this.options.flags?.(index));
    this.nodes[index] = node;
    const { token } = this.options;
    this.apis[index] = token === undefined ? await Api.as(node.url, 'ada') : new Api(node.url, token);
  }

  private async openWays(): Promise<Ways> {
    const { postgres, redis } = this.stores;
    return {
      postgres: await FaultProxy.to(postgres.port),
      redis: this.log === 'redis' && redis ? await FaultProxy.to(redis.port) : undefined,
    };
  }
}

/** An answer that the caller did not want. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(`${status}: ${text}`);
  }
}

function isFinal(error: Error): boolean {
  const status = error instanceof Refusal ? error.status : Number(/got (\d{3}):/.exec(error.message)?.[1]);
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** The first text of the conversation, by which a story may name its runs. */
export function firstText(call: UpstreamCall): string {
  const content = call.body.messages[0]?.content ?? '';
  return typeof content === 'string' ? content : String(content[0]?.['text']);
}

function withPath(url: string, path: string): string {
  const address = new URL(url);
  address.pathname = `/${path}`;
  return address.href;
}

function withPort(url: string, port: number | undefined): string {
  if (port === undefined) return url;
  const address = new URL(url);
  address.port = String(port);
  return address.href;
}
