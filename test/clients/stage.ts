import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { textReply, thinkingBlock, toolReply } from '../support/anthropic/anthropic-sse.js';
import { Api } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { CutProxy } from '../support/cut-proxy.js';
import { dataOf, shownBy, textOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import type { Random } from '../support/random.js';
import { upstreamEnv } from '../support/test-env.js';

const WORDS = Array.from({ length: 60 }, (_, n) => `wörd-${n} `);

/** What everybody must hold in the end. */
export const TEXT = `Let me look. ${WORDS.join('')}`;

const CUTS = 4;
/** Events of a run when its model has said half of its answer. */
const HALFWAY = 30;

/** A server that may be put away and come back, and what clients are given to find it. */
export class ClientStage {
  private readonly folder = mkdtempSync(join(tmpdir(), 'agentline-clients-'));
  private readonly proxies: CutProxy[] = [];
  private stalls = false;

  private constructor(
    readonly upstream: FakeUpstream,
    private app: RunningApp,
    public ada: Api,
  ) {}

  static async open(): Promise<ClientStage> {
    const upstream = await FakeUpstream.start();
    const stage = new ClientStage(upstream, undefined as unknown as RunningApp, undefined as unknown as Api);
    upstream.answer((call) => stage.answer(call));
    await stage.begin();
    return stage;
  }

  get url(): string {
    return this.app.url;
  }

  /** Another server on the same folder; whoever is watching loses the one that was. */
  async restart(): Promise<void> {
    await this.app.stop();
    await this.begin();
    for (const proxy of this.proxies) proxy.lead(this.app.url);
  }

  /** The server's address by a way that breaks at random places, a few times. */
  async brokenWay(random: Random): Promise<{ url: string; proxy: CutProxy }> {
    let cuts = 0;
    const breakAfter = () => {
      cuts += 1;
      if (cuts > CUTS) return undefined;
      // Who follows and has seen nothing of a run when it ends is not told of it any more (wire contract §5.4).
      return cuts === 1 ? random.between(2_500, 4_000) : random.between(1, 2_500);
    };
    return this.way(breakAfter);
  }

  /** A way that only breaks when the server does. */
  async way(breakAfter?: () => number | undefined): Promise<{ url: string; proxy: CutProxy }> {
    const proxy = await CutProxy.open(this.url, breakAfter ? { breakAfter } : {});
    this.proxies.push(proxy);
    return { url: proxy.url(this.url).replace(/\/$/, ''), proxy };
  }

  /** A run whose model falls silent in the middle of its answer; whoever asks again gets all of it. */
  async startRunThatStalls(): Promise<{ session: string; isHalfway: () => Promise<boolean> }> {
    this.stalls = true;
    const session = await this.ada.createSession();
    const { id } = await this.ada.post(session, 'please');
    const isHalfway = async () =>
      Number((await this.ada.run(id)).last_event_id?.split('.')[2] ?? 0) >= HALFWAY;
    return { session, isHalfway };
  }

  /** One turn with two tool calls, then a long answer with thinking. */
  private answer(call: UpstreamCall): Reply {
    const asked = JSON.stringify(call.body.messages.at(-1));
    if (!asked.includes('tool_result')) {
      const calls = ['a', 'b'].map((n) => ({ id: `toolu_${call.number}${n}`, name: 'get_time', input: {} }));
      return { sse: toolReply(['Let me look. '], calls), paceMs: 15 };
    }
    const stall = this.stalls ? { stallAfterPieces: 35 } : {};
    this.stalls = false;
    return { sse: withThinking(textReply(WORDS), call.number), paceMs: 15, ...stall };
  }

  /** The list of the session's latest run, read without a break. */
  async whole(sessionId: string): Promise<ViewedEvent[]> {
    return (await this.ada.read({ session_id: sessionId })).events;
  }

  async close(): Promise<void> {
    for (const proxy of this.proxies) await proxy.close();
    await this.app.stop();
    await this.upstream.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async begin(): Promise<void> {
    const env = {
      ...upstreamEnv(this.upstream.url),
      DATA_DIR: this.folder,
      SHUTDOWN_GRACE_MS: '0',
      HEARTBEAT_MS: '200',
    };
    this.app = await startApp(env);
    this.ada = await Api.as(this.app.url, 'ada');
  }
}

function withThinking(reply: string[], call: number): string[] {
  const [start, ...rest] = reply;
  const shifted = rest.map((event) => event.replaceAll('"index":0', '"index":1'));
  return [start!, ...thinkingBlock(0, 'hm', `sig-${call}`), ...shifted];
}

/** Text and tools as a viewer holds them in the end. */
export function heldBy(events: ViewedEvent[]): { text: string; tools: unknown[] } {
  const results = shownBy(events).filter(({ event }) => event === 'tool_result');
  return { text: textOf(events), tools: results.map((event) => toolOf(dataOf(event))) };
}

function toolOf({ name, is_error }: { name: string; is_error: boolean }) {
  return { name, is_error };
}

/** What an EventSource hands its listeners, of every kind of event. */
export const EVENT_TYPES = [
  'run',
  'token',
  'thinking',
  'tool_call',
  'approval',
  'tool_result',
  'reset',
  'error',
  'done',
] as const;

interface EventTargetLike {
  addEventListener(type: string, listener: (event: never) => void): void;
  close(): void;
}

/** Everything that an EventSource hands out, until `done`. */
export function collect(source: EventTargetLike): Promise<ViewedEvent[]> {
  return new Promise((resolve) => {
    const events: ViewedEvent[] = [];
    const take = ({ type, data, lastEventId }: { type: string; data?: string; lastEventId: string }) => {
      // An `error` without data is the connection's, and the client's own business.
      if (data === undefined) return;
      events.push({ event: type, id: lastEventId, data });
      if (type !== 'done') return;
      source.close();
      resolve(events);
    };
    for (const type of EVENT_TYPES) source.addEventListener(type, take);
  });
}
