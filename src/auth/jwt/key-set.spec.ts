import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { boundedFetch } from './bounded-fetch.js';
import { KeySet } from './key-set.js';

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

/** An identity provider that changes its keys, over real HTTP; time is the test's. */
let server: Server;
let published: unknown = { keys: [] };
let status = 200;
let fetches = 0;
let now = 0;
let set: KeySet;

const names = ['one', 'two', 'three'] as const;
const pairs = new Map<string, Pair>();

beforeAll(async () => {
  for (const name of names) pairs.set(name, await generateKeyPair('ES256', { extractable: true }));
  server = createServer((_request, response) => {
    fetches += 1;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(published));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});
beforeEach(() => {
  now = 1_000_000;
  fetches = 0;
  status = 200;
  const { port } = server.address() as AddressInfo;
  set = new KeySet(
    new URL(`http://127.0.0.1:${port}/keys`),
    (url) => boundedFetch(url),
    () => now,
  );
});

async function jwk(name: (typeof names)[number], more: JWK = {}): Promise<JWK> {
  return { ...(await exportJWK(pairs.get(name)!.publicKey)), kid: name, use: 'sig', alg: 'ES256', ...more };
}

async function publish(...keys: (JWK | (typeof names)[number])[]): Promise<void> {
  published = {
    keys: await Promise.all(keys.map(async (key) => (typeof key === 'string' ? jwk(key) : key))),
  };
}

/** What becomes of a token that this key has signed. */
async function outcome(key: (typeof names)[number], kid: string | undefined = key): Promise<string> {
  const header = { alg: 'ES256', ...(kid !== '' && { kid }) };
  const token = await new SignJWT({ sub: 'ada' }).setProtectedHeader(header).sign(pairs.get(key)!.privateKey);
  try {
    return String((await set.verify(token, header, { algorithms: ['ES256'] })).payload.sub);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const REFUSED = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED';

describe('keys that change', () => {
  it('are taken at once when they are new', async () => {
    await publish('one');
    expect(await outcome('one')).toBe('ada');
    await publish('one', 'two');
    expect(await outcome('two')).toBe('ada');
    expect(await outcome('one')).toBe('ada');
    expect(fetches).toBe(2);
  });

  it('are refused a minute after they are gone', async () => {
    await publish('one', 'two');
    expect(await outcome('one')).toBe('ada');
    await publish('two');
    now += 59_000;
    expect(await outcome('one')).toBe('ada');
    now += 1_000;
    expect(await outcome('one')).toBe(REFUSED);
    expect(await outcome('two')).toBe('ada');
  });

  it('are refused at once when a new one has been seen since', async () => {
    await publish('one');
    expect(await outcome('one')).toBe('ada');
    await publish('two');
    expect(await outcome('two')).toBe('ada');
    expect(await outcome('one')).toBe(REFUSED);
  });
});

describe('a flood of unknown keys', () => {
  it('asks three times, then once a second, and takes a new key after that second', async () => {
    await publish('one');
    for (let i = 0; i < 50; i++) expect(await outcome('one', `unknown-${i}`)).toBe(REFUSED);
    expect(fetches).toBe(3);
    await publish('one', 'two');
    now += 1_000;
    expect(await outcome('two')).toBe('ada');
    for (let i = 0; i < 50; i++) expect(await outcome('one', `unknown-${i}`)).toBe(REFUSED);
    expect(fetches).toBe(4);
  });

  it('at the same time asks as seldom', async () => {
    await publish('one');
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, i) => outcome('one', `unknown-${i}`)));
    expect(new Set(outcomes)).toEqual(new Set([REFUSED]));
    expect(fetches).toBeLessThanOrEqual(3);
    expect(await outcome('one')).toBe('ada');
  });
});

describe('an owner of keys who is away', () => {
  it('is missed at first', async () => {
    status = 500;
    expect(await outcome('one')).toBe('unavailable');
    status = 200;
    await publish('one');
    now += 1_000;
    expect(await outcome('one')).toBe('ada');
  });

  it('is not missed for ten minutes by whoever has a known key', async () => {
    await publish('one');
    expect(await outcome('one')).toBe('ada');
    status = 500;
    now += 60_000;
    expect(await outcome('one')).toBe('ada');
    expect(await outcome('two')).toBe('unavailable');
    now += 539_999;
    expect(await outcome('one')).toBe('ada');
    now += 1;
    expect(await outcome('one')).toBe('unavailable');
    status = 200;
    now += 1_000;
    expect(await outcome('one')).toBe('ada');
  });

  it('who comes back is asked by the next request, which does not wait', async () => {
    await publish('one');
    expect(await outcome('one')).toBe('ada');
    status = 500;
    now += 60_000;
    expect(await outcome('one')).toBe('ada');
    await publish('two');
    status = 200;
    now += 1_000;
    expect(await outcome('one')).toBe('ada');
    expect(await outcome('two')).toBe('ada');
    expect(await outcome('one')).toBe(REFUSED);
  });

  it.each<[string, unknown]>([
    ['no list', { keys: 'none' }],
    ['nothing', null],
    ['more than 1 MB', { keys: [], padding: 'x'.repeat(1_100_000) }],
  ])('and he who publishes %s are the same', async (_name, document) => {
    published = document;
    expect(await outcome('one')).toBe('unavailable');
  });
});

describe('a key of the set', () => {
  it('may have the id of another: each is tried', async () => {
    await publish(await jwk('one', { kid: 'same' }), await jwk('two', { kid: 'same' }));
    expect(await outcome('one', 'same')).toBe('ada');
    expect(await outcome('two', 'same')).toBe('ada');
    expect(await outcome('three', 'same')).toBe(REFUSED);
  });

  it('is found for a token that names none', async () => {
    await publish('one', 'two');
    expect(await outcome('two', '')).toBe('ada');
    expect(await outcome('three', '')).toBe(REFUSED);
  });

  it.each<[string, JWK]>([
    ['encryption', { use: 'enc' }],
    ['another algorithm', { alg: 'ES384' }],
    ['signing only', { key_ops: ['sign'] }],
  ])('that is for %s does not count', async (_name, change) => {
    await publish(await jwk('one', change));
    expect(await outcome('one')).toBe(REFUSED);
  });

  it('that is another one under that id does not count', async () => {
    await publish(await jwk('two', { kid: 'one' }));
    expect(await outcome('one')).toBe(REFUSED);
  });
});
