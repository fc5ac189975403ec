import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { connectionOptions, openPool } from './postgres-pool.js';

/** A message of the protocol: its type, its length, its body (PostgreSQL documentation, "Message Formats"). */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

it('a connection that is ended together with its greeting ends the call, not the process', async () => {
  const dying = Buffer.concat([
    message('R', Buffer.alloc(4)),
    message('Z', Buffer.from('I')),
    message('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0')),
  ]);
  const server = createServer((socket) => socket.once('data', () => socket.end(dying))).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const pool = openPool(connectionOptions(`postgres://postgres@127.0.0.1:${port}/postgres`));

  const answer = pool
    .connect()
    .then((client) => client.query('select 1', []).finally(() => client.release()));

  await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
  await pool.end();
  server.close();
});
