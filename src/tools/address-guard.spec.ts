import { describe, expect, it } from '@jest/globals';
import { AddressGuard } from './address-guard.js';

describe('AddressGuard', () => {
  it.each([
    ['0.0.0.0', 'this host'],
    ['10.1.2.3', 'private'],
    ['100.64.0.1', 'shared (CGNAT)'],
    ['100.100.100.200', 'metadata of Alibaba'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['168.63.129.16', 'host agent of Azure'],
    ['169.254.169.254', 'link-local, metadata'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.0.0.192', 'reserved, metadata of Oracle'],
    ['192.0.2.1', 'documentation'],
    ['192.168.0.1', 'private'],
    ['198.18.0.1', 'benchmarking'],
    ['198.51.100.1', 'documentation'],
    ['203.0.113.1', 'documentation'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::127.0.0.1', 'IPv4-compatible (deprecated)'],
    ['::ffff:127.0.0.1', 'IPv4-mapped loopback'],
    ['::ffff:a00:1', 'IPv4-mapped private'],
    ['::ffff:0:127.0.0.1', 'IPv4-translated'],
    ['64:ff9b::7f00:1', 'NAT64 of loopback'],
    ['64:ff9b::a9fe:a9fe', 'NAT64 of the metadata address'],
    ['64:ff9b:1::808:808', 'local NAT64'],
    ['2002:7f00:1::', '6to4 of loopback'],
    ['2002:a00:1::1', '6to4 of private'],
    ['2001::1', 'Teredo'],
    ['2001:db8::1', 'documentation'],
    ['3fff::1', 'documentation'],
    ['100::1', 'discard'],
    ['4000::1', 'not given out'],
    ['5f00::1', 'segment routing'],
    ['fc00::1', 'unique local'],
    ['fd00:ec2::254', 'unique local, metadata of AWS'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local with zone'],
    ['fec0::1', 'site-local (deprecated)'],
    ['ff02::1', 'multicast'],
    ['2130706433', 'loopback as one number'],
    ['0x7f.1', 'loopback, half hexadecimal'],
    ['example.com', 'a name'],
    ['', 'nothing'],
  ])('refuses %s (%s)', (address) => {
    expect(new AddressGuard().allows(address)).toBe(false);
  });

  it.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'])(
    'allows %s',
    (address) => {
      expect(new AddressGuard().allows(address)).toBe(true);
    },
  );

  it.each(['10.0.0.1', '127.0.0.1', '::1', '100.64.0.1', 'fd00::1', '::ffff:10.0.0.1', '8.8.8.8'])(
    'allows %s where the inside is allowed',
    (address) => {
      expect(new AddressGuard({ inside: true }).allows(address)).toBe(true);
    },
  );

  it.each([
    '169.254.169.254',
    '::ffff:169.254.169.254',
    'fe80::1',
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    'fd00:ec2::254',
    '0.0.0.0',
    '224.0.0.1',
  ])('refuses %s also where the inside is allowed', (address) => {
    expect(new AddressGuard({ inside: true }).allows(address)).toBe(false);
  });

  it('lets URLs name hosts of the inside only where the inside is allowed', () => {
    for (const host of ['localhost', 'intranet', 'printer.local', '127.0.0.1']) {
      expect([host, new AddressGuard().allowsHost(host)]).toEqual([host, false]);
      expect([host, new AddressGuard({ inside: true }).allowsHost(host)]).toEqual([host, true]);
    }
  });

  it('allows an exception, and only that', () => {
    const guard = new AddressGuard({ except: ['127.0.0.1'] });
    expect(guard.allows('127.0.0.1')).toBe(true);
    expect(guard.allows('::ffff:127.0.0.1')).toBe(true);
    expect(guard.allows('127.0.0.2')).toBe(false);
  });
});

describe('lookup of AddressGuard', () => {
  const answers: Record<string, string[]> = {
    'public.test': ['8.8.8.8', '2606:4700:4700::1111'],
    'inside.test': ['10.0.0.1'],
    'mixed.test': ['8.8.8.8', '10.0.0.1'],
    'empty.test': [],
  };
  const guard = new AddressGuard({
    resolve: (name, _options, callback) => {
      const addresses = answers[name];
      if (addresses === undefined) callback(Object.assign(new Error('unknown name'), { code: 'ENOTFOUND' }));
      else
        callback(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );
    },
  });

  function lookup(name: string, all: boolean): unknown[] {
    let answer: unknown[] = [];
    guard.lookup(name, { all }, (...values) => {
      answer = values;
    });
    return answer;
  }

  it('hands over all addresses of a public name', () => {
    expect(lookup('public.test', true)).toEqual([
      null,
      [
        { address: '8.8.8.8', family: 4 },
        { address: '2606:4700:4700::1111', family: 6 },
      ],
    ]);
  });

  it('hands over the first one where one is asked for', () => {
    expect(lookup('public.test', false)).toEqual([null, '8.8.8.8', 4]);
  });

  it.each(['inside.test', 'mixed.test'])('refuses %s: one forbidden address is enough', (name) => {
    expect(lookup(name, true)).toEqual([
      expect.objectContaining({
        name: 'ToolError',
        message: `"${name}" is not a public address. Only public addresses can be fetched.`,
      }),
      [],
    ]);
  });

  it('reports a name without addresses', () => {
    expect(lookup('empty.test', true)[0]).toMatchObject({ name: 'ToolError' });
    expect(lookup('unknown.test', true)[0]).toMatchObject({ code: 'ENOTFOUND' });
  });
});
