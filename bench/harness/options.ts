import { readdirSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';

export interface Options {
  scenarios: string[];
  candidates: string[];
  repeat: number;
  quick: boolean;
  seed: number;
  /** Whether the server is built before. */
  build: boolean;
  /** Another checkout whose built server is measured as `agentline`. */
  server: string | undefined;
  /** Folder for CPU profiles; what is measured meanwhile is no result. */
  profile: string | undefined;
  /** Whether a result is written. */
  write: boolean;
}

export const USAGE = `npm run bench -- [options]
  --only a,b         scenarios; all by default
  --candidates a,b   candidates; all by default
  --repeat n         measurements of each; 5 by default
  --quick            short runs, 2 repetitions
  --seed n           of the random cuts; another one each time by default
  --server folder    measures the server built in this checkout
  --profile folder   writes CPU profiles of the measured parts there, and no result
  --no-build         takes dist/ as it is
  --no-write         prints, and writes no result
`;

/** In the order of the table. What is not named here comes last. */
const ORDER = ['pipe', 'http-sdk', 'nest-naive', 'agentline', 'agentline-postgres', 'agentline-redis'];
const SCENARIOS = ['paced', 'burst', 'first-token', 'resume'];

export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      only: { type: 'string' },
      candidates: { type: 'string' },
      repeat: { type: 'string' },
      quick: { type: 'boolean', default: false },
      seed: { type: 'string' },
      build: { type: 'boolean', default: true },
      server: { type: 'string' },
      profile: { type: 'string' },
      write: { type: 'boolean', default: true },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  return {
    scenarios: choose('scenario', values.only, inOrder(filesOf('../scenarios'), SCENARIOS)),
    candidates: choose('candidate', values.candidates, inOrder(foldersOf('../candidates'), ORDER)),
    repeat: wholeNumber('repeat', values.repeat ?? (values.quick ? '2' : '5')),
    seed: wholeNumber('seed', values.seed ?? String(Math.floor(Math.random() * 1e9))),
    quick: values.quick,
    build: values.build && values.server === undefined,
    server: values.server,
    profile: values.profile,
    write: values.write && values.profile === undefined,
  };
}

function filesOf(folder: string): string[] {
  const names = readdirSync(new URL(folder, import.meta.url));
  return names.filter((name) => name.endsWith('.ts')).map((name) => name.slice(0, -3));
}

function foldersOf(folder: string): string[] {
  const entries = readdirSync(new URL(folder, import.meta.url), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

function inOrder(names: string[], order: string[]): string[] {
  const place = (name: string) => (order.indexOf(name) + order.length + 1) % (order.length + 1);
  const rank = (name: string) => (order.includes(name) ? place(name) : Infinity);
  return names.toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

function choose(kind: string, wanted: string | undefined, known: string[]): string[] {
  if (wanted === undefined) return known;
  const names = wanted.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`There is no ${kind} ${name}; there are: ${known.join(', ')}`);
  }
  return known.filter((name) => names.includes(name));
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} takes a whole number, not ${text}`);
  return value;
}
