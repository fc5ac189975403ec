import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { clientAddress, networkOf } from './client-address.js';

const from = (remoteAddress: string | undefined, ip?: string) =>
  clientAddress({ socket: { remoteAddress }, ip } as IncomingMessage & { ip?: string });

describe('the address of a client', () => {
  it('is what Express says, else the connection’s, and IPv4 is spelled so', () => {
    expect(from('10.0.0.1', '203.0.113.9')).toBe('203.0.113.9');
    expect(from('10.0.0.1')).toBe('10.0.0.1');
    expect(from('::ffff:10.0.0.1')).toBe('10.0.0.1');
    expect(from('10.0.0.1', '::ffff:203.0.113.9')).toBe('203.0.113.9');
    expect(from('2001:db8::1')).toBe('2001:db8::1');
    expect(from(undefined)).toBeUndefined();
  });
});

describe('the network of a client', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:0:7:a:b:c:d', '2001:db8:0:7::'],
    ['2001:db8::7:0:0:0:1', '2001:db8:0:7::'],
    ['fe80::1%eth0', 'fe80::'],
    ['::1', '::'],
    ['no address', 'unknown'],
    [null, 'unknown'],
    [undefined, 'unknown'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
