import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One execution of a tool, as the world outside of the servers saw it. */
export interface Effect {
  tool: string;
  runId: string;
  toolCallId: string;
  idempotencyKey: string;
  /** Name of the process that called. */
  node: string;
  /** `performance.now()`. */
  at: number;
}

/** Called for each effect; the tool gets its answer when what this returns has resolved. */
export type OnEffect = (effect: Effect) => void | Promise<void>;

/** Where the tools of `app/chaos-tools.mjs` take effect: a server that counts. */
export class Effects {
  readonly list: Effect[] = [];
  private onEffect: OnEffect = () => undefined;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Effects> {
    const effects: Effects = new Effects(
      createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => void effects.take(Buffer.concat(chunks).toString(), response));
      }),
    );
    effects.server.listen(0, '127.0.0.1');
    await once(effects.server, 'listening');
    return effects;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What happens at each effect from now on. */
  onEach(onEffect: OnEffect): void {
    this.onEffect = onEffect;
  }

  of(toolCallId: string): Effect[] {
    return this.list.filter((effect) => effect.toolCallId === toolCallId);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async take(body: string, response: ServerResponse): Promise<void> {
    const effect = { ...(JSON.parse(body) as Omit<Effect, 'at'>), at: performance.now() };
    this.list.push(effect);
    await this.onEffect(effect);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ effect: this.of(effect.toolCallId).length }));
  }
}
