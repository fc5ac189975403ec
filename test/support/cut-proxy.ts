import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface CutProxyOptions {
  /** Asked for each connection: after how many bytes of what the server says it breaks; undefined: never. */
  breakAfter?: () => number | undefined;
}

/** A way to a server on this machine that can be cut. */
export class CutProxy {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  static async open(target: string, options: CutProxyOptions = {}): Promise<CutProxy> {
    const proxy = new CutProxy(Number(new URL(target).port), options);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  private readonly server: Server;

  /** How many connections it broke in the middle. */
  broken = 0;

  private constructor(
    private port: number,
    private readonly options: CutProxyOptions,
  ) {
    this.server = createServer((inside) => this.join(inside));
  }

  /** Connections from now on go there. */
  lead(target: string): void {
    this.port = Number(new URL(target).port);
  }

  /** The address by way of this proxy. */
  url(target: string): string {
    const url = new URL(target);
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** What is sent on open connections still arrives once; no answer comes back, and no connection is made. */
  cut(): void {
    this.isCut = true;
  }

  /** From now on nothing passes on the connections that are open, though they stay open; new ones work. */
  freeze(): void {
    for (const socket of this.sockets) socket.pause();
  }

  /** Ends all connections that are open, whatever is under way; new ones work. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  heal(): void {
    this.isCut = false;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(inside: Socket): void {
    if (this.isCut) {
      inside.destroy();
      return;
    }
    const outside = connect(this.port, '127.0.0.1');
    let room = this.options.breakAfter?.() ?? Infinity;
    const both = [inside, outside];
    const end = () => both.forEach((socket) => socket.destroy());
    for (const socket of both) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', () => {
        this.sockets.delete(socket);
        end();
      });
    }
    inside.on('data', (bytes) => outside.write(bytes));
    outside.on('data', (bytes) => {
      if (this.isCut) return end();
      if (bytes.length < room) {
        room -= bytes.length;
        inside.write(bytes);
        return;
      }
      // What fits still arrives, and nothing of the rest does.
      this.broken += 1;
      inside.write(bytes.subarray(0, room), end);
      outside.pause();
    });
  }
}
