import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { ROOT } from '../support/build.js';
import { blocksOf } from './fenced-blocks.js';
import { exists } from './named-tests.js';

const PAGE = readFileSync(join(ROOT, 'docs', 'clients.md'), 'utf8');
const NAMED = /`(test\/[^`]+)` › ([^|<)\n]+)/g;

describe('the page on clients', () => {
  it('names tests that exist', () => {
    const tests = [...PAGE.matchAll(NAMED)].map(([, file = '', title = '']) => ({
      file,
      title: title.trim(),
    }));
    expect(tests.length).toBeGreaterThan(20);
    expect(tests.filter((test) => !exists(test))).toEqual([]);
  });

  it('names a test for every client', () => {
    const rows = PAGE.split('\n').filter((line) => /^\| (?!client |---)/.test(line));
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.filter((row) => !row.includes('` › '))).toEqual([]);
  });

  it('has JavaScript that can be read; its TypeScript is run with the generated client', () => {
    const scripts = blocksOf(PAGE).filter(({ language }) => language === 'js');
    expect(scripts.length).toBeGreaterThan(3);
    for (const { text } of scripts) expect(() => new Script(`async () => {${text}}`)).not.toThrow();
  });

  it('names versions that are installed', () => {
    const said = [...PAGE.matchAll(/^\| `((?:@[\w-]+\/)?[\w-]+)` (\d[\d.]*)/gm)];
    expect(said.length).toBeGreaterThan(5);
    const wrong = said.filter(
      ([, name = '', version = '']) => !installed(folderOf(name, version)).startsWith(`${version}.`),
    );
    expect(wrong.map(([row]) => row)).toEqual([]);
  });
});

/** `ai` is installed in several versions, each under a name of its own. */
function folderOf(name: string, version: string): string {
  return name === 'ai' ? `ai${version}` : name;
}

function installed(name: string): string {
  const manifest = readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
