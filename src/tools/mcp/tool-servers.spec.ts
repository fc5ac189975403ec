import { describe, expect, it } from '@jest/globals';
import { readServers, type ToolServer } from './tool-servers.js';

const ENV = { PATH: '/bin', TOKEN: 's3cret', JWT_SECRET: 'ours', BROKEN: 'a\r\nb' };

function read(value: unknown): ToolServer[] {
  return readServers('MCP_SERVERS', JSON.stringify(value), ENV);
}

function refusal(value: unknown): string[] {
  try {
    read(value);
  } catch (error) {
    expect(error).toMatchObject({ name: 'EnvironmentError' });
    return (error as Error).message.split('\n').map((line) => line.trim());
  }
  throw new Error('it was taken');
}

describe('readServers', () => {
  it('reads a server behind an address, with variables in its headers', () => {
    const [server] = read({
      github: {
        url: 'https://mcp.example.com/mcp',
        headers: { authorization: 'Bearer ${TOKEN}' },
        tools: ['find'],
        approval: { find: 'always' },
        timeout_ms: 5_000,
        idempotent: ['find'],
      },
    });
    expect(server).toMatchObject({
      name: 'github',
      endpoint: {
        kind: 'http',
        url: 'https://mcp.example.com/mcp',
        headers: { authorization: 'Bearer s3cret' },
        allowPrivate: false,
      },
      tools: ['find'],
      timeoutMs: 5_000,
      idempotent: ['find'],
    });
    expect([server?.approval('find'), server?.approval('other'), server?.approval('__proto__')]).toEqual([
      'always',
      'never',
      'never',
    ]);
  });

  it('hands nothing of our environment to a child but PATH and what is configured', () => {
    const [server] = read({
      files: { command: 'serve', args: ['-x'], env: { KEY: '${TOKEN}' }, cwd: '/srv' },
    });
    expect(server?.endpoint).toEqual({
      kind: 'stdio',
      command: 'serve',
      args: ['-x'],
      env: { PATH: '/bin', KEY: 's3cret' },
      cwd: '/srv',
    });
  });

  it('takes an inside address and plain http where the operator says that it is inside', () => {
    const [server] = read({
      wiki: { url: 'http://10.0.0.7:8080/mcp', allow_private: true, approval: 'always' },
    });
    expect(server?.endpoint).toMatchObject({ url: 'http://10.0.0.7:8080/mcp', allowPrivate: true });
    expect(server?.approval('any')).toBe('always');
  });

  it.each([
    'http://169.254.169.254/mcp',
    'https://127.0.0.1/mcp',
    'https://[::1]/mcp',
    'https://[::ffff:127.0.0.1]/mcp',
    'https://0x7f000001/mcp',
    'https://2130706433/mcp',
    'https://10.1.2.3/mcp',
    'https://localhost/mcp',
    'file:///etc/passwd',
    'gopher://example.com/',
    'javascript:alert(1)',
    'https://user:secret@example.com/',
    'http://example.com/mcp',
  ])('refuses the address %s', (url) => {
    expect(refusal({ a: { url } })).toEqual([
      'MCP_SERVERS cannot be used:',
      expect.stringMatching(/^a\.url: /),
    ]);
  });

  it.each(['http://169.254.169.254/', 'http://[fe80::1]/', 'http://100.100.100.200/', 'file:///etc/passwd'])(
    'refuses %s also where the inside is allowed',
    (url) => {
      expect(refusal({ a: { url, allow_private: true } })[1]).toMatch(/^a\.url: /);
    },
  );

  it('says all that is wrong, one line each, and repeats no value', () => {
    const lines = refusal({
      'Bad Name': { url: 'https://example.com' },
      a: { url: 'https://example.com', headers: { host: 'x', authorization: '${NOT_SET}' } },
      b: { url: 'https://example.com', headers: { x: '${NOT_SET}', y: '${BROKEN}', z: 'a\nb' } },
      c: { command: '', timeout_ms: 1, password: 'hunter2' },
      d: { url: 'https://example.com', approval: 'perhaps' },
      e: { url: 'https://example.com', command: 'x' },
      f: 'https://example.com',
    });
    expect(lines).toEqual([
      'MCP_SERVERS cannot be used:',
      '"Bad Name" is a bad name: 1 to 32 of a-z, 0-9 and "-"',
      expect.stringMatching(/^a\.headers\.host: /),
      'b.headers.x: the variable NOT_SET is not set',
      'b.headers.y: has a control character',
      'b.headers.z: has a control character',
      expect.stringMatching(/^c\.command: /),
      expect.stringMatching(/^c\.timeout_ms: /),
      'c: Unrecognized key: "password"',
      'd.approval: takes "always", "never" or {"<tool>": …}',
      'e: Unrecognized key: "url"',
      expect.stringMatching(/^f: /),
    ]);
    expect(lines.join()).not.toContain('hunter2');
  });

  it.each([
    ['{"a": {"url": "https://u:secret-text@x"', 'MCP_SERVERS is not JSON'],
    ['secret-text', 'MCP_SERVERS is not JSON'],
    ['[]', 'MCP_SERVERS takes a JSON object'],
    ['null', 'MCP_SERVERS takes a JSON object'],
  ])('refuses %s without repeating it', (text, message) => {
    expect(() => readServers('MCP_SERVERS', text, ENV)).toThrow(message);
    expect(() => readServers('MCP_SERVERS', text, ENV)).not.toThrow(/secret-text/);
  });
});
