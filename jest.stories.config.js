import base from './jest.config.js';

/** Whole stories over the application in this process, with real sockets and a fake model's service: `npm run test:stories`. */
export default {
  ...base,
  testMatch: ['<rootDir>/test/*.e2e-spec.ts', '<rootDir>/test/executor/*.e2e-spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '<rootDir>/test/simulation.e2e-spec.ts'],
};
