import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LostPeers, lookPeriod } from './lost-peers.js';
import { connectionKey } from './tcp-table.js';

const HOUR = 3_600_000;

let folder: string;
let table: string;
let missing: string;
const forgets: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentline-test-'));
  [table, missing] = [join(folder, 'tcp'), join(folder, 'tcp6')];
});

afterEach(() => {
  for (const forget of forgets.splice(0)) forget();
  rmSync(folder, { recursive: true });
});

/** A socket of 10.77.0.1:80 with the peer 10.77.0.2 that notes whether it was freed. */
class FakeSocket {
  readonly localAddress = '10.77.0.1';
  readonly localPort = 80;
  readonly remoteAddress = '10.77.0.2';
  destroyed = false;
  writableEnded = false;
  resets = 0;

  constructor(readonly remotePort: number) {}

  resetAndDestroy(): void {
    this.resets += 1;
    this.destroyed = true;
  }
}

function watch(peers: LostPeers, socket: FakeSocket | Socket): () => void {
  const forget = peers.watch(socket as Socket);
  forgets.push(forget);
  return forget;
}

/** The kernel's row of a connection: by default one whose peer is lost. */
function rowOf(socket: FakeSocket | Socket, timer = '01', retransmissions = 7): string {
  const count = String(retransmissions).padStart(8, '0');
  const row = `   4: ${connectionKey(socket as Socket)} 01 00000046:00000000 ${timer}:000004FE ${count}     0        0 1911097 3 00000000151cbae2 1305 4 30 1 -1`;
  return `${row.padEnd(149)}\n`;
}

const isLost = ({ remotePort }: FakeSocket) => remotePort % 100 === 0;

describe('a look', () => {
  it('frees those whose peer is lost, and nobody else', async () => {
    const peers = new LostPeers(HOUR, undefined, [table]);
    const [lost, slow, busy, unseen, foreign] = [1, 2, 3, 4, 5].map((port) => new FakeSocket(port)) as [
      FakeSocket,
      FakeSocket,
      FakeSocket,
      FakeSocket,
      FakeSocket,
    ];
    for (const socket of [lost, slow, busy, unseen]) watch(peers, socket);
    writeFileSync(table, rowOf(slow, '04') + rowOf(busy, '01', 2) + rowOf(foreign) + rowOf(lost));

    await peers.look();

    expect([lost, slow, busy, unseen, foreign].map(({ resets }) => resets)).toEqual([1, 0, 0, 0, 0]);
  });

  it('does not touch one that is being closed, or was forgotten', async () => {
    const peers = new LostPeers(HOUR, undefined, [table]);
    const [ending, closed, forgotten] = [1, 2, 3].map((port) => new FakeSocket(port)) as [
      FakeSocket,
      FakeSocket,
      FakeSocket,
    ];
    const [, , forget] = [ending, closed, forgotten].map((socket) => watch(peers, socket));
    ending.writableEnded = true;
    closed.destroyed = true;
    forget!();
    writeFileSync(table, [ending, closed, forgotten].map((socket) => rowOf(socket)).join(''));

    await peers.look();

    expect([ending, closed, forgotten].map(({ resets }) => resets)).toEqual([0, 0, 0]);
  });

  it('goes by the newest connection of a name, also when the older one is forgotten late', async () => {
    const peers = new LostPeers(HOUR, undefined, [table]);
    const [older, newer] = [new FakeSocket(1), new FakeSocket(1)];
    const forget = watch(peers, older);
    watch(peers, newer);
    forget();
    writeFileSync(table, rowOf(newer));

    await peers.look();

    expect([older.resets, newer.resets]).toEqual([0, 1]);
  });

  it('finds one among ten thousand, wherever its row is cut in two by a read', async () => {
    const peers = new LostPeers(HOUR, undefined, [table]);
    const sockets = Array.from({ length: 10_000 }, (_, port) => new FakeSocket(port + 1));
    for (const socket of sockets) watch(peers, socket);
    writeFileSync(table, sockets.map((each) => (isLost(each) ? rowOf(each) : rowOf(each, '02', 0))).join(''));
    const [from, cpu] = [performance.now(), process.cpuUsage()];

    await peers.look();

    const { user, system } = process.cpuUsage(cpu);
    const ms = (user + system) / 1_000;
    process.stdout.write(
      `lost peers: a look at 10,000 rows takes ${ms.toFixed(1)} ms of CPU (${(performance.now() - from).toFixed(1)} ms)\n`,
    );
    expect(sockets.filter(({ resets }) => resets > 0).map(({ remotePort }) => remotePort)).toEqual(
      sockets.filter(isLost).map(({ remotePort }) => remotePort),
    );
    expect(ms).toBeLessThan(500);
  });
});

it('ends a real connection at once, by itself', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepting = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const reset = once(client, 'error').catch((error: unknown) => [error]);
  const [socket] = await accepting;
  writeFileSync(table, rowOf(socket));
  const peers = new LostPeers(5, undefined, [table]);

  watch(peers, socket);

  await once(socket, 'close');
  expect(await reset).toMatchObject([{ code: 'ECONNRESET' }]);
  server.close();
});

describe('without a table', () => {
  it('the other is still read', async () => {
    const reasons: unknown[] = [];
    const peers = new LostPeers(HOUR, (reason) => reasons.push(reason), [missing, table]);
    const lost = new FakeSocket(1);
    watch(peers, lost);
    writeFileSync(table, rowOf(lost));

    await peers.look();

    expect([lost.resets, reasons]).toEqual([1, []]);
  });

  it('and without the other it says so once, and never looks again', async () => {
    const reasons: unknown[] = [];
    const peers = new LostPeers(HOUR, (reason) => reasons.push(reason), [missing, folder]);
    const lost = new FakeSocket(1);
    watch(peers, lost);
    await peers.look();
    writeFileSync(missing, rowOf(lost));

    await peers.look();
    watch(peers, new FakeSocket(2));
    await peers.look();

    expect([lost.resets, reasons]).toMatchObject([0, [{ code: 'EISDIR' }]]);
  });

  it('nothing is watched where there is none by design', async () => {
    const reasons: unknown[] = [];
    const peers = new LostPeers(HOUR, (reason) => reasons.push(reason), []);
    watch(peers, new FakeSocket(1));

    await peers.look();

    expect(reasons).toEqual([]);
  });
});

it('looks by itself while a connection is watched, and not while none is', async () => {
  const looked: string[] = [];
  const second = Promise.withResolvers<void>();
  const none = new LostPeers(1, () => looked.push('none'), [table]);
  const left = new LostPeers(1, () => looked.push('left'), [missing]);
  const watched = new LostPeers(50, () => second.resolve(void looked.push('watched')), [missing]);
  writeFileSync(table, '');
  await none.look();
  rmSync(table);
  watch(left, new FakeSocket(1))();

  watch(watched, new FakeSocket(1));
  await second.promise;

  expect(looked).toEqual(['watched']);
});

it('looks twice a heartbeat, and once a second at most', () => {
  expect([lookPeriod(15_000), lookPeriod(2_000), lookPeriod(20)]).toEqual([7_500, 1_000, 1_000]);
});
