import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../errors/app-error.js';
import { OriginPolicy, type Visit } from './origin-policy.js';

const own = new OriginPolicy(null);
const listed = new OriginPolicy(['https://app.example.com', 'http://localhost:5173']);

function visit(origin: string | undefined, site?: string, protocol = 'https'): Visit {
  return {
    protocol,
    headers: {
      host: 'Agent.example.com:8443',
      ...(origin !== undefined && { origin }),
      ...(site !== undefined && { 'sec-fetch-site': site }),
    },
  };
}

function outcome(check: () => void): string {
  try {
    check();
    return 'allowed';
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

const OWN = 'https://agent.example.com:8443';
const LISTED = 'https://app.example.com';
const EVIL = 'https://evil.test';

describe('An origin', () => {
  it.each([
    [own, OWN, true],
    [own, 'http://agent.example.com:8443', false],
    [own, 'https://agent.example.com', false],
    [own, 'https://x.agent.example.com:8443', false],
    [own, 'null', false],
    [own, '', false],
    [listed, LISTED, true],
    [listed, 'http://localhost:5173', true],
    [listed, 'http://app.example.com', false],
    [listed, 'https://x.app.example.com', false],
    [listed, 'https://app.example.com.evil.test', false],
    [listed, 'https://app.example.com:8443', false],
    [listed, OWN, false],
    [listed, 'null', false],
  ])('%#: is allowed only when it is exactly ours', (policy, origin, expected) => {
    expect(policy.isAllowed(origin, visit(origin))).toBe(expected);
  });
});

describe('A change with a cookie', () => {
  it.each([
    [OWN, undefined, 'allowed'],
    [OWN, 'same-origin', 'allowed'],
    [undefined, 'same-origin', 'allowed'],
    [undefined, undefined, 'cross_site'],
    [undefined, 'none', 'cross_site'],
    [undefined, 'same-site', 'cross_site'],
    [undefined, 'cross-site', 'cross_site'],
    [EVIL, undefined, 'cross_site'],
    [EVIL, 'cross-site', 'cross_site'],
    ['null', undefined, 'cross_site'],
    [EVIL, 'same-origin', 'cross_site'],
    ['null', 'same-origin', 'cross_site'],
    ['', 'same-origin', 'cross_site'],
    ['https://agent.example.com', 'same-origin', 'cross_site'],
    [`${OWN}.evil.test`, 'same-origin', 'cross_site'],
  ])('from Origin %s, Sec-Fetch-Site %s: %s', (origin, site, expected) => {
    expect(outcome(() => own.checkChange(visit(origin, site)))).toBe(expected);
    expect(outcome(() => listed.checkChange(visit(origin, site)))).toBe(expected);
  });

  it('is taken from our own page when a proxy in front ends TLS, and says the port or not', () => {
    const inside = { protocol: 'http', headers: { origin: OWN, host: 'agent.example.com:8443' } };
    expect(outcome(() => own.checkChange(inside))).toBe('cross_site');
    const said = { ...inside.headers, 'sec-fetch-site': 'same-origin' };
    expect(outcome(() => own.checkChange({ ...inside, headers: said }))).toBe('allowed');
    const port = { ...said, origin: 'https://agent.example.com', host: 'agent.example.com:443' };
    expect(outcome(() => own.checkChange({ ...inside, headers: port }))).toBe('allowed');
  });

  it('is taken from a listed page of another site', () => {
    expect(outcome(() => listed.checkChange(visit(LISTED, 'cross-site')))).toBe('allowed');
  });
});

describe('A change that needs no credentials', () => {
  it.each([
    [undefined, undefined, 'allowed'],
    [undefined, 'none', 'allowed'],
    [OWN, undefined, 'allowed'],
    [OWN, 'same-origin', 'allowed'],
    [undefined, 'cross-site', 'cross_site'],
    [EVIL, undefined, 'cross_site'],
    [EVIL, 'cross-site', 'cross_site'],
    ['null', undefined, 'cross_site'],
  ])('from Origin %s, Sec-Fetch-Site %s: %s', (origin, site, expected) => {
    expect(outcome(() => own.checkPublicChange(visit(origin, site)))).toBe(expected);
  });
});

describe('A stream with a cookie', () => {
  it.each([
    [undefined, 'same-origin', 'allowed'],
    [undefined, 'none', 'allowed'],
    [undefined, undefined, 'allowed'],
    [OWN, 'same-origin', 'allowed'],
    [OWN, undefined, 'allowed'],
    [undefined, 'same-site', 'cross_site'],
    [undefined, 'cross-site', 'cross_site'],
    [EVIL, undefined, 'cross_site'],
    [EVIL, 'same-origin', 'cross_site'],
    ['null', undefined, 'cross_site'],
  ])('from Origin %s, Sec-Fetch-Site %s: %s', (origin, site, expected) => {
    expect(outcome(() => own.checkStream(visit(origin, site)))).toBe(expected);
  });
});

describe('A socket with a cookie', () => {
  it.each([
    [LISTED, true, 'allowed'],
    [LISTED, false, 'allowed'],
    [undefined, true, 'cross_site'],
    [undefined, false, 'allowed'],
    [EVIL, true, 'cross_site'],
    [EVIL, false, 'cross_site'],
    ['null', true, 'cross_site'],
    ['http://app.example.com', true, 'cross_site'],
    ['https://x.example.com', true, 'cross_site'],
  ])('from Origin %s, needed %s: %s', (origin, needsOrigin, expected) => {
    expect(outcome(() => listed.checkSocket(visit(origin), needsOrigin))).toBe(expected);
  });
});
