import base from './jest.config.js';

/** What the documents say, tried out: `npm run test:documents`. Builds, and starts servers. */
export default {
  ...base,
  roots: ['<rootDir>/test/documents'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  testTimeout: 60000,
};
