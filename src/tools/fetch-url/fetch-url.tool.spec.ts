import { describe, expect, it } from '@jest/globals';
import type { ToolContext } from '../tool.js';
import { AddressGuard } from '../address-guard.js';
import { FetchUrlTool } from './fetch-url.tool.js';

const context = { signal: new AbortController().signal } as ToolContext;

describe('fetch_url', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://0x7f000001/',
    'http://2130706433/',
    'http://10.0.0.1/',
    'file:///etc/passwd',
    'gopher://example.com/',
  ])('refuses %s', async (url) => {
    await expect(new FetchUrlTool(new AddressGuard()).fetch({ url }, context)).rejects.toMatchObject({
      name: 'ToolError',
    });
  });
});
