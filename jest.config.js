import { availableParallelism } from 'node:os';

/** What needs a server, a browser or a build of its own has its own script. */
const ELSEWHERE = ['browser', 'chaos', 'clients', 'documents', 'executor', 'faults'].map(
  (folder) => `<rootDir>/test/${folder}/`,
);
const NEEDS_POSTGRES = process.env.TEST_DATABASE_URL
  ? []
  : ['busy', 'notices', 'migrations'].map(
      (name) => `<rootDir>/src/database/postgres/postgres-${name}.spec.ts`,
    );

/** Stories have `npm run test:stories`; this one is a model of log, lease and resume, and starts nothing. */
const STORIES = '<rootDir>/test/((?!simulation)[^/]+\\.e2e-spec|security/parsers\\.spec)\\.ts$';

/** Specs beside the code, rules of the tree, and the simulation of three nodes; they need nothing but Node. */
export default {
  rootDir: '.',
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts', '**/*.e2e-spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', STORIES, ...ELSEWHERE, ...NEEDS_POSTGRES],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': '@swc/jest' },
  testEnvironment: 'node',
  // More than cores: specs wait as well as work. With two cores Jest would take one by itself, and above 100 %
  // it takes a percentage for a number.
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  testTimeout: 20000,
  injectGlobals: false,
};
