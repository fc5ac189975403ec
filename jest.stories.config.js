import base from './jest.config.js';

/**
 * Whole stories over the application in this process, with real sockets and a fake model's service, and the parsers of
 * what comes from outside: `npm run test:stories`.
 */
export default {
  ...base,
  testMatch: ['*.e2e-spec.ts', 'executor/*.e2e-spec.ts', 'security/parsers.spec.ts'].map(
    (pattern) => `<rootDir>/test/${pattern}`,
  ),
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '<rootDir>/test/simulation.e2e-spec.ts'],
};
