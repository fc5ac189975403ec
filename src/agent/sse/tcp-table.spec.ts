import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connectionKey, unansweredConnections } from './tcp-table.js';

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n';

/** Rows as Linux 6.18 wrote them when the peers' addresses were taken away. */
const LOST = {
  mapped:
    '   4: 0000000000000000FFFF000001004D0A:934F 0000000000000000FFFF000002004D0A:9A22 01 00000046:00000000 01:000004FE 00000006     0        0 1911097 3 00000000151cbae2 1305 4 30 1 -1\n',
  v6: '   3: 000077FD000000000000000001000000:934F 000077FD000000000000000002000000:C356 01 00000046:00000000 01:000004FE 00000006     0        0 1911093 3 00000000634ca7f2 1305 4 30 1 -1\n',
  v4: '   3: 01004D0A:934F 02004D0A:9A22 01 00000046:00000000 01:000004FE 00000006     0        0 1911097 3 00000000151cbae2 1305 4 30 1 -1                   \n',
};

/** Timer and count of retransmissions are put into a row of an open connection. */
const row = (timer: string, retransmissions: string, state = '01') =>
  `  17: 0100007F:934F 0100007F:A13A ${state} 00000046:00000000 ${timer}:000004FE ${retransmissions}     0        0 1911091 2 000000007c362478 20 4 30 18 -1\n`;

const found = (rows: string) => unansweredConnections(rows).length;

function socket(localAddress?: string, localPort?: number, remoteAddress?: string, remotePort?: number) {
  return { localAddress, localPort, remoteAddress, remotePort } as unknown as Socket;
}

const opened: { destroy?: () => void; close?: () => void }[] = [];

afterEach(() => {
  for (const end of opened.splice(0)) (end.destroy ?? end.close)?.call(end);
});

describe('a connection is named as the kernel names it', () => {
  it('over IPv4, IPv6, and IPv4 within IPv6', () => {
    const keys = [
      socket('10.77.0.1', 37_711, '10.77.0.2', 39_458),
      socket('fd77::1', 37_711, 'fd77::2', 50_006),
      socket('::ffff:10.77.0.1', 37_711, '::ffff:10.77.0.2', 39_458),
      socket('fe80::1%eth0', 80, 'fe80::a:b:c:d%eth0', 7),
    ].map(connectionKey);
    expect(keys).toEqual([
      '01004D0A:934F 02004D0A:9A22',
      '000077FD000000000000000001000000:934F 000077FD000000000000000002000000:C356',
      '0000000000000000FFFF000001004D0A:934F 0000000000000000FFFF000002004D0A:9A22',
      '000080FE000000000000000001000000:0050 000080FE000000000B000A000D000C00:0007',
    ]);
  });

  it('and has no name once it is closed', () => {
    expect([connectionKey(socket()), connectionKey(socket('127.0.0.1', 80))]).toEqual([undefined, undefined]);
  });

  const hasV6 = Object.values(networkInterfaces())
    .flat()
    .some((at) => at?.address === '::1');
  const hosts = hasV6 ? (['0.0.0.0', '::'] as const) : (['0.0.0.0'] as const);
  (process.platform === 'linux' ? it : it.skip)('in the table of this machine', async () => {
    for (const host of hosts) {
      const server = createServer().listen(0, host);
      opened.push(server);
      await once(server, 'listening');
      for (const to of host === '::' ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
        const connected = once(server, 'connection') as Promise<[Socket]>;
        opened.push(connect((server.address() as AddressInfo).port, to));
        const [accepted] = await connected;
        opened.push(accepted);
        const table = readFileSync(host === '::' ? '/proc/net/tcp6' : '/proc/net/tcp', 'latin1');
        expect(table).toContain(`: ${connectionKey(accepted)} 01 `);
      }
    }
  });
});

describe('a peer that answers nothing', () => {
  it('is found over IPv4, IPv6, and IPv4 within IPv6', () => {
    expect(unansweredConnections(HEADER + LOST.v4)).toEqual(['01004D0A:934F 02004D0A:9A22']);
    expect(unansweredConnections(LOST.v6 + LOST.mapped)).toEqual([
      '000077FD000000000000000001000000:934F 000077FD000000000000000002000000:C356',
      '0000000000000000FFFF000001004D0A:934F 0000000000000000FFFF000002004D0A:9A22',
    ]);
  });

  it('is one to whom something was sent six times again; it may have closed its own side', () => {
    expect(
      ['00000000', '00000005', '00000006', '0000000F', '00000010'].map((n) => found(row('01', n))),
    ).toEqual([0, 0, 1, 1, 1]);
    expect(found(row('01', '00000006', '08'))).toBe(1);
  });

  it('is not one who reads slowly, is at rest, comes, or goes', () => {
    const rows = [
      row('04', '00000009'),
      row('02', '00000009'),
      row('00', '00000009'),
      row('03', '00000009', '06'),
      row('01', '00000009', '04'),
      row('01', '00000009', '03'),
      '   0: 0100007F:8875 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1846909 1 00000000d256a3c1 100 0 0 10 0\n',
    ];
    expect(unansweredConnections(HEADER + rows.join(''))).toEqual([]);
  });
});
