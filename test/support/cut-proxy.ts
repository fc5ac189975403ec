import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a server on this machine that can be cut. */
export class CutProxy {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  static async open(target: string): Promise<CutProxy> {
    const proxy = new CutProxy(Number(new URL(target).port));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  private readonly server: Server;

  private constructor(port: number) {
    this.server = createServer((inside) => this.join(inside, port));
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

  heal(): void {
    this.isCut = false;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(inside: Socket, port: number): void {
    if (this.isCut) {
      inside.destroy();
      return;
    }
    const outside = connect(port, '127.0.0.1');
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
      if (this.isCut) end();
      else inside.write(bytes);
    });
  }
}
