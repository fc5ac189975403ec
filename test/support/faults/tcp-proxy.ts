import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';

interface Pair {
  ends: [Socket, Socket];
  timer: NodeJS.Timeout | undefined;
}

export interface TcpProxyOptions {
  /** Milliseconds without a byte from the server after which a connection is cut, as by a load balancer. */
  idleMs?: number;
}

/** A TCP proxy on the loopback between a viewer and the server. */
export class TcpProxy {
  /** Connections that were cut because nothing came from the server. */
  cuts = 0;
  private isFrozen = false;
  private readonly pairs = new Set<Pair>();
  private readonly listener: Server;

  private constructor(
    private readonly target: number,
    private readonly options: TcpProxyOptions,
  ) {
    this.listener = createServer((client) => this.join(client));
  }

  static async to(port: number, options: TcpProxyOptions = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(port, options);
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.listener.address() as AddressInfo).port}`;
  }

  /**
   * From now on nothing is read from either end, and no end hears of the other's: for the server its peers have
   * vanished without a word. What the kernel takes on the way is taken.
   */
  freeze(): void {
    this.isFrozen = true;
    for (const { ends } of this.pairs) for (const end of ends) end.pause();
  }

  /** Ends all connections, also those that are frozen. */
  async close(): Promise<void> {
    for (const pair of this.pairs) this.cut(pair);
    this.listener.close();
    await once(this.listener, 'close');
  }

  private join(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    const pair: Pair = { ends: [client, server], timer: undefined };
    this.pairs.add(pair);
    this.handOver(pair, client, server);
    this.handOver(pair, server, client);
    const { idleMs } = this.options;
    if (idleMs === undefined) return;
    let heard = 0;
    // Where this process stood still, what came meanwhile is read after its timers: it counts.
    const expire = async () => {
      const before = heard;
      await setImmediate();
      await setImmediate();
      if (heard > before || !this.pairs.has(pair)) return;
      this.cuts += 1;
      this.cut(pair);
    };
    pair.timer = setTimeout(() => void expire(), idleMs);
    server.on('data', () => {
      heard += 1;
      pair.timer?.refresh();
    });
  }

  private handOver(pair: Pair, from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      if (to.write(bytes)) return;
      from.pause();
      to.once('drain', () => {
        if (!this.isFrozen) from.resume();
      });
    });
    from.on('end', () => {
      if (!this.isFrozen) to.end();
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      if (!this.isFrozen) this.cut(pair);
    });
  }

  private cut(pair: Pair): void {
    clearTimeout(pair.timer);
    this.pairs.delete(pair);
    for (const end of pair.ends) end.destroy();
  }
}
