import { describe, expect, it } from '@jest/globals';

/** Scripts of the page, loaded as a browser would: they are not part of what is compiled. */
const paths = ['./public/sessions/people.js', './public/account/browser-name.js'] as const;
const { People } = (await import(paths[0])) as { People: new () => Directory };
const { browserName } = (await import(paths[1])) as { browserName: (agent: string | null) => string };

interface Directory {
  signedIn(user: { id: string; roles: string[] }): void;
  idOf(named: string): string;
  nameOf(id: string): string;
}

function peopleFor(id: string, role: string): Directory {
  const people = new People();
  people.signedIn({ id, roles: [role] });
  return people;
}

describe('somebody whom a conversation is to be shown to', () => {
  it('is named by an id, of whatever kind', () => {
    expect(peopleFor('usr_1', 'member').idOf('usr_2')).toBe('usr_2');
    expect(peopleFor('ada@id.example', 'member').idOf('bob@id.example')).toBe('bob@id.example');
    expect(peopleFor('usr_1', 'member').nameOf('usr_2')).toBe('usr_2');
  });

  it.each([
    ['member', 'Only administrators can look up an address.'],
    ['admin', 'There is no user with this address in your tenant.'],
  ])('is not named by an address that nobody knows, for a %s', (role, words) => {
    expect(() => peopleFor('usr_1', role).idOf('bob@example.com')).toThrow(words);
  });
});

describe('the name of a browser', () => {
  it.each([
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/148.0.0.0 Safari/537.36 Edg/148.0', 'Edge on Windows'],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 15_7) AppleWebKit/605 Version/26.0 Safari/605',
      'Safari on macOS',
    ],
    ['Mozilla/5.0 (Linux; Android 16) Chrome/148.0.0.0 Mobile Safari/537.36', 'Chrome on Android'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0', 'Firefox on Linux'],
    ['curl/8.16.0', 'curl/8.16.0'],
    ['\u202eevil', '⟨U+202E⟩evil'],
    [null, 'A browser without a name'],
  ])('%s', (agent, name) => {
    expect(browserName(agent)).toBe(name);
  });
});
