import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { RULES, sizesOf } from './support/architecture-rules.js';
import { parseTree, readSources } from './support/source-tree.js';

const tree = parseTree(readSources(join(import.meta.dirname, '../src')));

const lines = (count: number): string => '\n'.repeat(count - 1);

/** For each rule a small tree that breaks it, and what it must say; what stands beside it is allowed. */
const PROOFS: Record<string, { bad: Record<string, string>; says: string[] }> = {
  'imports go down only': {
    bad: {
      'errors/a.ts': `import { b } from '../runs/b.js';`,
      'runs/b.ts': `export type { C } from '../agent/c.js'; import '../errors/a.js';`,
      'agent/c.ts': `const d = await import('../formats/d.js');`,
      'formats/d.ts': `let e: import('../app.module.js').AppModule;`,
      'acme/f.ts': `import '../agent/c.js';`,
      'agent/g.ts': `import '../acme/f.js';`,
      'app.module.ts': `import './acme/f.js';`,
      'tools/a.spec.ts': `import '../agent/c.js';`,
    },
    says: [
      'errors/a.ts imports runs/b.ts (floor 0 to 3)',
      'runs/b.ts imports agent/c.ts (floor 3 to 4)',
      'agent/c.ts imports formats/d.ts (floor 4 to 5)',
      'formats/d.ts imports app.module.ts (floor 5 to 6)',
      'agent/g.ts imports acme/f.ts (floor 4 to 5)',
    ],
  },
  'neighbours on one floor do not import each other': {
    bad: {
      'sessions/a.ts': `import type { B } from '../tools/b.js';`,
      'tools/b.ts': `import '../auth/c.js'; import './d.js';`,
      'tools/d.ts': '',
      'auth/c.ts': '',
      'openapi/e.ts': `import '../health/f.js';`,
      'health/f.ts': '',
      'database/g.ts': `import '../errors/h.js';`,
      'errors/h.ts': `import '../telemetry/i.js';`,
      'telemetry/i.ts': '',
    },
    says: [
      'sessions/a.ts imports tools/b.ts',
      'openapi/e.ts imports health/f.ts',
      'errors/h.ts imports telemetry/i.ts',
    ],
  },
  'no cycles': {
    bad: {
      'runs/a.ts': `import './b.js';`,
      'runs/b.ts': `import type { C } from './c.js'; import './d.js';`,
      'runs/c.ts': `import './a.js'; import './d.js';`,
      'runs/d.ts': '',
      'runs/e.ts': `import './a.js';`,
      'runs/f.ts': `import './f.js';`,
    },
    says: ['runs/a.ts -> runs/b.ts -> runs/c.ts -> runs/a.ts', 'runs/f.ts -> runs/f.ts'],
  },
  'no index.ts': {
    bad: { 'runs/index.ts': '', 'index.ts': '', 'runs/card-index.ts': '' },
    says: ['runs/index.ts', 'index.ts'],
  },
  'no orphans': {
    bad: {
      'main.ts': `import './runs/used.js';`,
      'runs/used.ts': '',
      'runs/tested.ts': '',
      'runs/tested.spec.ts': `import './tested.js'; import './run.contract.js';`,
      'runs/run.contract.ts': '',
      'runs/other.contract.ts': '',
      'client/agentline-client.ts': '',
      'database/migrations/2026-01-01-first.ts': '',
      'console/public/app.js': '',
    },
    says: ['runs/tested.ts', 'runs/other.contract.ts'],
  },
  'no ../../../': {
    bad: {
      'auth/jwt/a.ts': `import '../../../test/b.js';`,
      'auth/jwt/c.ts': `import '../../errors/d.js';`,
      'auth/jwt/a.spec.ts': `import '../../../test/b.js';`,
    },
    says: ['auth/jwt/a.ts imports ../../../test/b.js'],
  },
  'a subfolder is private to its parent': {
    bad: {
      'event-log/event-log.module.ts': `import './redis/redis-event-log.js';`,
      'event-log/redis/redis-event-log.ts': `import './stream.js'; import '../event-log.js';`,
      'event-log/redis/stream.ts': '',
      'event-log/sql/a.ts': `import '../redis/stream.js';`,
      'runs/b.ts': `import type { Stream } from '../event-log/redis/stream.js';`,
    },
    says: [
      'event-log/sql/a.ts imports event-log/redis/stream.ts',
      'runs/b.ts imports event-log/redis/stream.ts',
    ],
  },
  "imports of the console's page go down only": {
    bad: {
      'console/public/console.js': `import './conversation/a.js';`,
      'console/public/conversation/a.js': `import '../run/b.js'; import '../page/d.js'; import '../sessions/c.js';`,
      'console/public/run/b.js': `import '../page/d.js'; import '../conversation/a.js';`,
      'console/public/sessions/c.js': `import '../page/d.js'; import '../console.js';`,
      'console/public/page/d.js': `import './e.js'; import '../../f.js';`,
      'console/public/page/e.js': '',
      'console/f.ts': '',
    },
    says: [
      'console/public/conversation/a.js imports console/public/sessions/c.js',
      'console/public/run/b.js imports console/public/conversation/a.js',
      'console/public/sessions/c.js imports console/public/console.js',
      'console/public/page/d.js imports console/f.ts',
    ],
  },
  'client and terminal stand apart from the server': {
    bad: {
      'client/a.ts': `import type { B } from '../runs/b.js'; import { createParser } from 'eventsource-parser'; import './c.js';`,
      'client/c.ts': `import { B } from '../runs/b.js'; import 'node:fs';`,
      'cli/d.ts': `import 'node:readline'; import '../client/a.js'; import 'zod';`,
      'runs/b.ts': `import type { A } from '../client/a.js';`,
      'console/e.ts': `import '../client/a.js';`,
    },
    says: [
      'client/c.ts imports runs/b.ts',
      'client/c.ts imports node:fs',
      'cli/d.ts imports zod',
      'console/e.ts imports client/a.ts',
    ],
  },
  'a driver lives in the folder that bears its name': {
    bad: {
      'event-log/sql/a.ts': `import type { Redis } from 'ioredis';`,
      'event-log/redis/b.ts': `import { Redis } from 'ioredis';`,
      'model/offline/c.ts': `import Anthropic from '@anthropic-ai/sdk/client.js';`,
      'model/anthropic/d.ts': `import Anthropic from '@anthropic-ai/sdk';`,
      'database/e.ts': `const { DatabaseSync } = await import('node:sqlite');`,
      'database/sqlite/f.ts': `import { DatabaseSync } from 'node:sqlite';`,
      'database/postgres/g.ts': `import pg from 'pg'; import 'page';`,
      'auth/h.ts': `import pg from 'pg';`,
    },
    says: [
      'event-log/sql/a.ts imports ioredis, at home in event-log/redis/',
      'model/offline/c.ts imports @anthropic-ai/sdk/client.js, at home in model/anthropic/',
      'database/e.ts imports node:sqlite, at home in database/sqlite/',
      'auth/h.ts imports pg, at home in database/postgres/',
    ],
  },
  'SQL only in repositories, event-log/sql/ and database/': {
    bad: {
      'runs/a.ts': `import { sql } from 'kysely';`,
      'runs/b.service.ts': `export const all = (db: Db) => db.selectFrom('runs').execute();`,
      'health/c.service.ts': `await this.database.kysely.destroy();`,
      'runs/d.ts': `import type { Kysely } from 'kysely'; // .selectFrom`,
      'runs/e.repository.ts': `import { sql } from 'kysely';`,
      'event-log/sql/f.ts': `import { sql } from 'kysely';`,
      'database/postgres/g.ts': `import { sql } from 'kysely';`,
    },
    says: [
      'runs/a.ts imports kysely',
      'runs/b.service.ts uses .selectFrom',
      'health/c.service.ts uses .kysely',
    ],
  },
  'rows of all tenants only where that is right': {
    bad: {
      'acme/invoice.repository.ts': `this.database.acrossTenants().selectFrom('runs');`,
      'acme/bill.repository.ts': 'await sql`delete from runs`.execute(trx);',
      'acme/own.repository.ts': `this.database.of(owner, trx).selectFrom('runs').execute();`,
      'acme/own.repository.spec.ts': `database.acrossTenants().selectFrom('runs');`,
      'acme/free.repository.ts': `this.database.of(owner).withoutPlugins(); this.database.urgent.selectFrom('runs');`,
      'database/database.ts': 'this.acrossTenants();',
      'health/health.repository.ts': 'await sql`select 1`.execute(this.database.kysely);',
      'runs/queue/lease.repository.ts': 'await sql`update runs`.execute(this.database.acrossTenants());',
      'runs/run.repository.ts': 'this.database.of(run);',
    },
    says: [
      'acme/invoice.repository.ts uses .acrossTenants',
      'acme/bill.repository.ts executes raw SQL on tables of nobody',
      'acme/free.repository.ts uses .urgent',
      'acme/free.repository.ts uses .withoutPlugins',
      'runs/run.repository.ts is in the list and uses nothing of it',
    ],
  },
  'only files with a dotted role know Nest': {
    bad: {
      'runs/agent-loop.ts': `import { Injectable } from '@nestjs/common';`,
      'telemetry/logger.ts': `import type { Params } from 'nestjs-pino';`,
      'runs/runs.service.ts': `import { Injectable } from '@nestjs/common';`,
      'main.ts': `import { NestFactory } from '@nestjs/core';`,
      'app.setup.ts': `import { ValidationPipe } from '@nestjs/common';`,
    },
    says: ['runs/agent-loop.ts imports @nestjs/common', 'telemetry/logger.ts imports nestjs-pino'],
  },
  'names are kebab-case with a known role': {
    bad: {
      'runs/AgentLoop.ts': '',
      'runs/agent_loop.ts': '',
      'runs/run.manager.ts': '',
      'runs/run-1.repository.spec.ts': '',
      'event-log/event-log.contract.ts': '',
      'database/migrations/2026-11-25-initial.ts': '',
      'app.setup.ts': '',
    },
    says: ['runs/AgentLoop.ts', 'runs/agent_loop.ts', 'runs/run.manager.ts'],
  },
  'no folder or file for things of every kind': {
    bad: { 'common/a.ts': '', 'runs/utils/b.ts': '', 'runs/types.ts': '', 'runs/shared-tail.ts': '' },
    says: ['common/a.ts', 'runs/utils/b.ts', 'runs/types.ts'],
  },
  'at most two folders below src/': {
    bad: { 'auth/jwt/keys/a.ts': '', 'auth/jwt/b.ts': '', 'console/public/run/c.js': '' },
    says: ['auth/jwt/keys/a.ts'],
  },
  'process.env only in *.config.ts': {
    bad: {
      'model/offline/a.ts': `const speed = process.env['SPEED'];`,
      'runs/b.ts': `import { env } from 'node:process';`,
      'runs/c.ts': `import process from 'process';`,
      'runs/runs.config.ts': `export const port = process.env.PORT;`,
      'runs/d.spec.ts': `process.env.PORT = '1';`,
      'runs/e.ts': `// process.env\nconst text = 'process.env'; process.exit();`,
    },
    says: ['model/offline/a.ts', 'runs/b.ts', 'runs/c.ts'],
  },
  'a file has 300 lines at most': {
    bad: {
      'runs/a.ts': `${lines(301)}end`,
      'runs/b.ts': `${lines(300)}end\n`,
      'runs/c.spec.ts': lines(999),
      'console/public/d.js': `${lines(302)}end\n`,
    },
    says: ['runs/a.ts has 301 lines', 'console/public/d.js has 302 lines'],
  },
  'a function has 60 lines at most': {
    bad: {
      'runs/a.ts': `function long() {${lines(61)}}`,
      'runs/b.ts': `const arrow = () => {${lines(62)}};`,
      'runs/c.ts': `class C { constructor() {${lines(63)}} @D({${lines(64)}}) method() {${lines(60)}} }`,
      'runs/d.ts': `work(async function () {${lines(64)}});`,
      'runs/e.contract.ts': `export function e() {${lines(99)}}`,
    },
    says: [
      'runs/a.ts: long has 61 lines',
      'runs/b.ts: arrow has 62 lines',
      'runs/c.ts: constructor has 63 lines',
      'runs/d.ts: function at line 1 has 64 lines',
    ],
  },
  'a constructor has 6 parameters at most': {
    bad: {
      'runs/a.ts': 'class A { constructor(a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7) {} }',
      'runs/b.ts': 'class B { constructor(a: 1, b: 2, c: 3, d: 4, e: 5, f: 6) {} }',
    },
    says: ['runs/a.ts has a constructor with 7 parameters'],
  },
  'a folder has 15 files at most, specs aside': {
    bad: Object.fromEntries(
      Array.from({ length: 16 }, (_, n) => [
        `runs/a${n}.ts`,
        `auth/a${n}.${n < 15 ? 'ts' : 'spec.ts'}`,
      ]).flatMap((paths) => paths.map((path) => [path, ''])),
    ),
    says: ['runs/ has 16 files'],
  },
  'no any, nothing hidden from the compiler': {
    bad: {
      'runs/a.ts': 'const a: any = 1; const b = a as any; const c: Map<string, any[]> = b;',
      'runs/b.ts': '// @ts-ignore\nconst b = 1;',
      'runs/c.ts': '// any\nconst any = "any"; const c: unknown = any;',
      'runs/d.spec.ts': '// @ts-expect-error a type test\nconst d = 1;',
    },
    says: ['runs/a.ts says any 3 times', 'runs/b.ts silences the compiler'],
  },
};

describe.each(RULES)('$title', ({ title, advice, offenders }) => {
  it('in src/', () => {
    const found = offenders(tree);
    // The advice stands in the difference that a failure prints.
    expect({ found, instead: found.length > 0 ? advice : '' }).toEqual({ found: [], instead: '' });
  });

  it('is noticed when it is broken', () => {
    const { bad, says } = PROOFS[title]!;
    expect(offenders(parseTree(Object.entries(bad)))).toEqual(says);
  });
});

describe('the source tree', () => {
  it('is read', () => {
    expect(tree.map(({ path }) => path)).toContain('errors/app-error.ts');
    expect(tree.find(({ path }) => path === 'tools/tool.ts')?.imports).toEqual([
      { specifier: 'zod', target: undefined, typeOnly: true },
      { specifier: '../auth/principal.js', target: 'auth/principal.ts', typeOnly: true },
    ]);
  });
});

afterAll(() => {
  process.stdout.write(`${sizesOf(tree)}\n`);
});
