import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { stepsOf } from './newcomer/page-steps.mjs';
import { TerminalOfNewcomer } from './newcomer/terminal-of-newcomer.mjs';

/**
 * `npm run newcomer`: the path of somebody who has nothing but docs/try-it.md, timed. Clones the last commit into a
 * temporary folder, types the commands of the page and makes its edits, until a token has been streamed and a tool of
 * one's own has been called. Fails when either does not happen.
 */
const ROOT = join(import.meta.dirname, '..');
const DEADLINE_MS = 600_000;

/** Sections of the page, and what has to be seen when they have been followed. */
const STAGES = [
  { what: 'cloned and installed', section: 'Get it', sight: undefined },
  { what: 'first streamed token', section: 'The first token', sight: /\btoken +\{"text":/ },
  {
    what: 'own tool called',
    section: 'A tool of your own',
    sight: /\btool_result +\{[^\n]*"name":"roll_dice",[^\n]*"is_error":false/,
  },
];

const page = readFileSync(join(ROOT, 'docs', 'try-it.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'agentline-newcomer-'));
const terminal = new TerminalOfNewcomer(folder, { REPOSITORY: ROOT });
let reason;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => give(`Stopped by ${signal}.`));
const deadline = setTimeout(() => give(`Not done after ${DEADLINE_MS / 1000} s.`), DEADLINE_MS);

process.exitCode = await walk().catch((error) => {
  process.stderr.write(`\n${reason ?? error.stack}\n`);
  return 1;
});
clearTimeout(deadline);
rmSync(folder, { recursive: true, force: true });

async function walk() {
  const began = performance.now();
  const count = { commands: 0, edits: 0 };
  process.stdout.write('| reached | seconds | commands | edits |\n|---|--:|--:|--:|\n');
  for (const { what, section, sight } of STAGES) {
    const reached = await follow(stepsOf(page, section), sight, count);
    const seconds = ((reached - began) / 1000).toFixed(0);
    process.stdout.write(`| ${what} | ${seconds} | ${count.commands} | ${count.edits} |\n`);
  }
  return 0;
}

/** @returns when it was seen; without a sight, when all was done */
async function follow(steps, sight, count) {
  let said = '';
  let seenAt;
  const look = (text) => {
    said += text;
    if (seenAt === undefined && sight?.test(said) === true) seenAt = performance.now();
  };
  for (const step of steps) {
    if (step.kind === 'edit') {
      count.edits += 1;
      step.make(terminal.folder);
    } else {
      count.commands += 1;
      await terminal.type(step.text, look);
    }
  }
  if (sight !== undefined && seenAt === undefined) throw new Error(`Never seen: ${sight}\n${said}`);
  return seenAt ?? performance.now();
}

function give(why) {
  reason = why;
  terminal.end();
}
