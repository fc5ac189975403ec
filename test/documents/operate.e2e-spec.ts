import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { endLeftRunning } from './left-running.js';
import { describePage } from './pages/describe-page.js';
import { blocksOfPage, type PageBlock, pageText } from './pages/page-blocks.js';
import type { PageRunner } from './pages/page-runner.js';
import { ROOT } from '../support/build.js';
import { readSources } from '../support/source-tree.js';

/** Names of the page's shell, and of nobody else's settings. */
const SHELL = new Set(['RESTORED_URL']);

describePage('operate', {
  blockMs: 150_000,
  runners: {
    promql: rulesOfMetrics,
    systemd: unit,
    /** Needs a PostgreSQL: run by test/chaos/operate.e2e-spec.ts. */
    sh: () => undefined,
    /** Needs nginx: run by test/faults/proxies.e2e-spec.ts. */
    nginx: () => undefined,
  },
});

// The page starts its servers with a script of its own.
afterAll(endLeftRunning);

/** Every measure that a rule asks for is shown by the page's server, with such a label. */
function rulesOfMetrics({ text }: PageBlock, { copy }: PageRunner): void {
  const shown = copy.read('metrics.txt');
  const rules = text.trim().split('\n');
  expect(rules.length).toBeGreaterThan(5);
  const names = rules.flatMap((rule) => rule.match(/\b(?:agentline|nodejs|process)_\w+/g) ?? []);
  expect(new Set(names).size).toBeGreaterThan(5);
  expect(names.filter((name) => !shown.includes(`# TYPE ${name.replace(/_bucket$/, '')} `))).toEqual([]);
  const statuses = rules.flatMap((rule) => rule.match(/\w+\{status="\w+"\}/g) ?? []);
  expect(statuses.filter((series) => !shown.includes(`${series} `))).toEqual([]);
}

/** The unit starts the server as `npm run start:prod` does, and waits longer than the server may take. */
function unit({ text }: PageBlock): void {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const command = /^ExecStart=\/usr\/bin\/(.+)$/m.exec(text)?.[1];
  expect(`exec ${command}`).toBe(scripts['start:prod']);
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1])).toBeGreaterThan(35);
}

describe('what the page for operators names', () => {
  const text = pageText('operate');

  it('are variables of the README', () => {
    const known = new Set(
      [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^\| `([A-Z][A-Z_]+)` \|/gm)].map(
        ([, name]) => name ?? '',
      ),
    );
    const named = new Set(text.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g));
    const unknown = [...named].filter((name) => !known.has(name) && !known.has(name.replace(/_FILE$/, '')));
    expect(unknown.filter((name) => !SHELL.has(name))).toEqual([]);
    expect(named.size).toBeGreaterThan(20);
  });

  it('are lines that the server can write', () => {
    const [, table = ''] = /\| line of the log \|[^\n]*\n\|---\|---\|\n((?:\|[^\n]*\n)+)/.exec(text) ?? [];
    const lines = table.split('\n').flatMap((row) => (row.split('|')[1] ?? '').match(/`[^`]+`/g) ?? []);
    const sources = [...readSources(join(ROOT, 'src'))].filter(([path]) => !path.endsWith('.spec.ts'));
    const code = sources.map(([, source]) => source).join('');
    expect(lines.length).toBeGreaterThan(8);
    expect(lines.filter((line) => !code.includes(line.slice(1, -1)))).toEqual([]);
  });

  it('has blocks for PostgreSQL and nginx, which their suites run', () => {
    const languages = blocksOfPage('operate').map(({ language }) => language);
    expect(languages.filter((language) => ['sh', 'nginx'].includes(language))).toEqual(['nginx', 'sh']);
  });
});
