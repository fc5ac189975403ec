import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until, within } from '../until.js';
import { FaultProxy } from './fault-proxy.js';

/** A server that says what it hears, in capitals, and one client behind the proxy. */
const server = createServer((socket) => {
  heard.push(socket);
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => socket.write(bytes.toString().toUpperCase()));
});
let heard: Socket[] = [];
let proxy: FaultProxy;
let clients: Client[] = [];

class Client {
  text = '';
  end: 'closed' | 'reset' | undefined;

  constructor(readonly socket: Socket) {
    socket.on('data', (bytes) => (this.text += bytes.toString()));
    socket.on('error', () => (this.end = 'reset'));
    socket.on('close', () => (this.end ??= 'closed'));
  }

  async says(words: string, answer = words.toUpperCase()): Promise<void> {
    this.socket.write(words);
    await until(`the answer to ${words}`, () => this.text.endsWith(answer));
  }
}

async function join(): Promise<Client> {
  const client = new Client(connect(proxy.port, '127.0.0.1'));
  clients.push(client);
  await Promise.race([once(client.socket, 'connect'), once(client.socket, 'close')]).catch(() => undefined);
  return client;
}

beforeEach(async () => {
  heard = [];
  clients = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await FaultProxy.to((server.address() as AddressInfo).port);
});

afterEach(async () => {
  await within(5_000, 'the proxy to close', proxy.close());
  for (const { socket } of clients) socket.destroy();
  for (const socket of heard) socket.destroy();
  server.close();
  await once(server, 'close');
});

describe('a proxy between a node and its store', () => {
  it('hands everything on, and the end too', async () => {
    const client = await join();
    await client.says('one');
    heard[0]!.end('BYE');
    await until('the end', () => client.end);
    expect([client.text, client.end]).toEqual(['ONEBYE', 'closed']);
    await until('both ends to be forgotten', () => proxy.connections === 0);
  });

  it('as a black hole takes connections and bytes and gives nothing, also from a store that has gone', async () => {
    const before = await join();
    await before.says('one');
    proxy.blackHole();
    const after = await join();
    before.socket.write('two');
    after.socket.write('three');
    await until('both to be taken', () => heard.length === 2);
    heard[0]!.destroy();
    await once(heard[0]!, 'close');
    expect([before.text, before.end, after.text, after.end]).toEqual(['ONE', undefined, '', undefined]);
  });

  it('healed, resets those whose bytes were swallowed and keeps those that were still', async () => {
    const [still, torn] = [await join(), await join()];
    await still.says('one');
    proxy.blackHole();
    torn.socket.write('two');
    await until('the bytes to be swallowed', () => torn.socket.writableLength === 0 && proxy.swallowed > 0);
    proxy.heal();
    await until('the reset', () => torn.end);
    await still.says('three');
    expect([torn.end, torn.text, still.text]).toEqual(['reset', '', 'ONETHREE']);
  });

  it('strands: what stands is silent for ever, also when healed, and what comes works', async () => {
    const before = await join();
    await before.says('one');
    proxy.strand();
    before.socket.write('two');
    await until('the bytes to be swallowed', () => proxy.swallowed > 0);
    proxy.heal();
    await (await join()).says('three');
    expect([before.text, before.end]).toEqual(['ONE', undefined]);
  });

  it('refuses: resets what stands and what comes', async () => {
    const before = await join();
    await before.says('one');
    proxy.refuse();
    const after = await join();
    await until('both to be reset', () => before.end && after.end);
    proxy.heal();
    await (await join()).says('two');
    expect([before.end, after.end]).toEqual(['reset', 'reset']);
  });

  it('resets what stands and takes what comes', async () => {
    const before = await join();
    await before.says('one');
    proxy.reset();
    await until('the reset', () => before.end);
    await (await join()).says('two');
    expect(before.end).toBe('reset');
  });

  it('delays, and keeps the order when it is healed meanwhile', async () => {
    const client = await join();
    await client.says('one');
    proxy.delay(100);
    const from = performance.now();
    client.socket.write('two');
    await until('the bytes to be on their way', () => proxy.waiting > 0);
    proxy.heal();
    await client.says('three', 'ONETWOTHREE');
    expect(performance.now() - from).toBeGreaterThanOrEqual(95);
  });

  it('cuts the connection after so many bytes of answers, once', async () => {
    const client = await join();
    await client.says('one');
    proxy.cutAfter(2);
    client.socket.write('two');
    await until('the cut', () => client.end);
    expect(client.text).toBe('ONETW');
    await (await join()).says('three');
  });
});
