import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

type Mode = 'open' | 'hole' | 'refuse';

/** The two ends of one connection. */
interface Pair {
  client: Socket;
  server: Socket;
  /** Bytes went down a hole: what follows them makes no sense to the other end. */
  torn: boolean;
  /** Nothing passes any more, also when the proxy is healed. */
  isStranded: boolean;
  /** What is on its way, by the end that gets it, and when the last of it arrives: nothing may overtake it. */
  lines: Map<Socket, { due: number; acts: (() => void)[] }>;
}

/** A TCP proxy on the loopback between a node and a store, which breaks in the ways networks break. */
export class FaultProxy {
  private mode: Mode = 'open';
  private lateness = 0;
  private readonly pairs = new Set<Pair>();
  /** Bytes of answers that may still pass before the connection is cut. */
  private answerLeft = Infinity;
  /** Bytes that have gone down a hole so far. */
  swallowed = 0;
  /** Pieces that were delayed and are still to arrive. */
  waiting = 0;

  private constructor(
    private readonly target: number,
    private readonly server: Server,
  ) {
    server.on('connection', (client) => this.join(client));
  }

  static async to(target: number): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(target, server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.pairs.size;
  }

  /** Connections are taken and stay open; nothing that is sent arrives, either way, also on those that stand. */
  blackHole(): void {
    this.mode = 'hole';
  }

  /** Connections that stand stay open and carry nothing for ever, as behind a router that forgot them; new ones work. */
  strand(): void {
    for (const pair of this.pairs) pair.isStranded = true;
  }

  /** New connections are reset at once, and those that stand too: as when nobody listens. */
  refuse(): void {
    this.mode = 'refuse';
    this.reset();
  }

  /** Resets the connections that stand; new ones are taken. */
  reset(): void {
    for (const pair of this.pairs) cut(pair);
  }

  /** Everything arrives, so many milliseconds later. */
  delay(ms: number): void {
    this.lateness = ms;
  }

  /** After so many more bytes of answers, over all connections, the connection in which they came is reset. */
  cutAfter(bytes: number): void {
    this.answerLeft = bytes;
  }

  /**
   * As before any fault. A connection of which bytes were swallowed cannot be mended: it is reset, unless it is
   * stranded.
   */
  heal(): void {
    this.mode = 'open';
    this.lateness = 0;
    this.answerLeft = Infinity;
    for (const pair of this.pairs) if (pair.torn && !pair.isStranded) cut(pair);
  }

  async close(): Promise<void> {
    this.reset();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    if (this.mode === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.target, '127.0.0.1');
    const pair: Pair = { client, server, torn: false, isStranded: false, lines: new Map() };
    this.pairs.add(pair);
    this.watch(pair, client, server);
    this.watch(pair, server, client);
    client.on('data', (bytes) => this.carry(pair, server, bytes));
    server.on('data', (bytes) => this.answer(pair, bytes));
  }

  /** Hands on the end of one side, in the way it came; but in a hole nobody hears that the other has gone. */
  private watch(pair: Pair, from: Socket, to: Socket): void {
    from.setNoDelay(true);
    // Every error is followed by `close`.
    from.on('error', () => undefined);
    from.on('close', (hadError) => {
      if (to.destroyed) this.pairs.delete(pair);
      else if (from === pair.server && this.swallows(pair)) pair.torn = true;
      else if (hadError) to.resetAndDestroy();
      else this.inTurn(pair, to, () => to.end());
    });
  }

  private answer(pair: Pair, bytes: Buffer): void {
    if (bytes.length < this.answerLeft) {
      this.answerLeft -= bytes.length;
      this.carry(pair, pair.client, bytes);
      return;
    }
    const passed = bytes.subarray(0, this.answerLeft);
    this.answerLeft = Infinity;
    pair.server.pause();
    pair.client.write(passed, () => cut(pair));
  }

  private carry(pair: Pair, to: Socket, bytes: Buffer): void {
    if (!this.swallows(pair)) {
      this.inTurn(pair, to, () => to.write(bytes));
      return;
    }
    pair.torn = true;
    this.swallowed += bytes.length;
  }

  private swallows(pair: Pair): boolean {
    return this.mode === 'hole' || pair.isStranded;
  }

  private inTurn(pair: Pair, to: Socket, act: () => void): void {
    const line = pair.lines.get(to) ?? { due: 0, acts: [] };
    pair.lines.set(to, line);
    const now = performance.now();
    line.due = Math.max(now + this.lateness, line.due);
    if (line.due <= now && line.acts.length === 0) {
      act();
      return;
    }
    line.acts.push(act);
    this.waiting += 1;
    // Timers that differ by parts of a millisecond do not keep their order: each lets the oldest pass.
    setTimeout(() => {
      this.waiting -= 1;
      line.acts.shift()?.();
    }, line.due - now);
  }
}

function cut({ client, server }: Pair): void {
  for (const end of [client, server]) if (!end.destroyed) end.resetAndDestroy();
}
