import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ROOT } from './support/build.js';

describe('.ci/run', () => {
  const script = readFileSync(join(ROOT, '.ci', 'run'), 'utf8');

  it('is a program that bash understands', () => {
    accessSync(join(ROOT, '.ci', 'run'), constants.X_OK);
    expect(execFileSync('bash', ['-n', '.ci/run'], { cwd: ROOT, encoding: 'utf8' })).toBe('');
  });

  it.each([
    'npm ci',
    'npm run demo',
    'check',
    'test:stories',
    'test:documents',
    'test:clients',
    'test:package',
    'test:faults',
    'test:browser',
    'test:postgres',
    'test:cluster',
  ])('runs %s', (name) => {
    expect(script).toMatch(new RegExp(`^(?:step '${name}' ${name}|suite ${name})$`, 'm'));
  });
});

describe('the totals of CI', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'agentline-totals-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function write(name: string, passed: number, failed: number, broken: number, skipped: number): void {
    const results = {
      numPassedTests: passed,
      numFailedTests: failed,
      numRuntimeErrorTestSuites: broken,
      numPendingTests: skipped,
      numTodoTests: 0,
    };
    writeFileSync(join(folder, name), JSON.stringify(results));
  }

  const totals = (): string =>
    execFileSync('node', ['scripts/ci-summary.mjs', folder], { cwd: ROOT, encoding: 'utf8' });

  it('are those of all suites, in one line', () => {
    write('check.json', 120, 0, 0, 1);
    write('test-browser.json', 3, 0, 0, 1);
    expect(totals()).toBe('123 passed, 0 failed, 2 skipped\n');
  });

  it('count a file that cannot be run as a failure', () => {
    write('check.json', 10, 1, 1, 0);
    expect(totals()).toBe('10 passed, 2 failed, 0 skipped\n');
  });

  it('are none when nothing was run', () => {
    expect(totals()).toBe('0 passed, 0 failed, 0 skipped\n');
  });
});
