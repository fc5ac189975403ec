import { globSync, readFileSync } from 'node:fs';
import base from './jest.config.js';

/** Specs that ask for a PostgreSQL or a Redis themselves, found by the variable's name. */
const specs = globSync('src/**/*.spec.ts', { cwd: import.meta.dirname }).filter((path) =>
  /TEST_DATABASE_URL|TEST_REDIS_URL|onEachDatabase/.test(
    readFileSync(new URL(path, import.meta.url), 'utf8'),
  ),
);
/** Stories that start the application in this process, and so with the database of DATABASE_URL. */
const stories = [
  'resume',
  'requests',
  'recorded',
  'auth',
  'access',
  'oidc',
  'audit',
  'keys',
  'approvals',
  'agents',
  'sub-agents',
  'fork',
  'sharing',
  'tenants',
].map((name) => `test/${name}.e2e-spec.ts`);

/**
 * What is said of SQLite, said of a real PostgreSQL, and what needs a Redis: `npm run test:postgres`. Each file has a
 * database of its own.
 */
export default {
  ...base,
  testMatch: [...specs, ...stories].map((path) => `<rootDir>/${path}`),
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  setupFiles: ['<rootDir>/scripts/postgres/fresh-database.mjs'],
  testTimeout: 60000,
};
