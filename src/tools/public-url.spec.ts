import { describe, expect, it } from '@jest/globals';
import { ToolError } from './tool-error.js';
import { AddressGuard } from './address-guard.js';
import { publicUrl } from './public-url.js';

const guard = new AddressGuard();

describe('publicUrl', () => {
  it.each([
    ['https://example.com/a?b=c#d', 'https://example.com/a?b=c'],
    ['http://example.com:80/', 'http://example.com/'],
    ['http://example.com:443/', 'http://example.com:443/'],
    ['https://example.com:8443/', 'https://example.com:8443/'],
    ['http://8.8.8.8/', 'http://8.8.8.8/'],
    ['http://[2606:4700:4700::1111]/', 'http://[2606:4700:4700::1111]/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
  ])('reads %s', (text, href) => {
    expect(publicUrl(text, guard).href).toBe(href);
  });

  it.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f000001/',
    'http://2130706433/',
    'http://017700000001/',
    'http://0/',
    'http://127.0.0.1./',
    'http://１２７.０.０.１/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[64:ff9b::10.0.0.1]/',
    'http://[fd00::1]/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://localhost/',
    'http://LOCALHOST./',
    'http://a.localhost/',
    'http://intranet/',
    'http://printer.local/',
    'http://metadata.google.internal/',
    'http:127.0.0.1',
    'http:\\\\127.0.0.1\\',
  ])('refuses the inside address %s', (text) => {
    expect(() => publicUrl(text, guard)).toThrow(
      /^".+" is not a public address\. Only public addresses can be fetched\.$/,
    );
  });

  it.each([
    ['file:///etc/passwd', 'Only http and https can be fetched, not file:'],
    ['gopher://example.com/', 'Only http and https can be fetched, not gopher:'],
    ['ftp://example.com/', 'Only http and https can be fetched, not ftp:'],
    ['data:text/plain,x', 'Only http and https can be fetched, not data:'],
    ['javascript:alert(1)', 'Only http and https can be fetched, not javascript:'],
    ['http://user:secret@example.com/', 'A URL with a user name or password is refused.'],
    ['http://user@example.com/', 'A URL with a user name or password is refused.'],
    ['http://example.com:22/', 'Port 22 is refused: only 80, 443 and those above 1023 are open.'],
    ['http://example.com:0/', 'Port 0 is refused: only 80, 443 and those above 1023 are open.'],
    ['example.com', 'This is not a URL. Give a whole one, such as https://example.com/page.'],
    ['http://', 'This is not a URL. Give a whole one, such as https://example.com/page.'],
    ['http://1.2.3.4.5/', 'This is not a URL. Give a whole one, such as https://example.com/page.'],
  ])('refuses %s', (text, message) => {
    expect(() => publicUrl(text, guard)).toThrow(new ToolError(message));
  });

  it('reads a redirect relative to where it came from', () => {
    expect(publicUrl('../c?d', guard, new URL('https://example.com/a/b')).href).toBe(
      'https://example.com/c?d',
    );
    expect(() => publicUrl('//127.0.0.1/', guard, new URL('https://example.com/'))).toThrow(ToolError);
  });
});
