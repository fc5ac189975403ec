import base from './jest.config.js';

/**
 * Stories of several servers on real stores, under faults: `npm run test:cluster`, one after the other. Needs
 * PostgreSQL and, for the stories of the Redis log, Redis (`apt-get install postgresql redis-server`).
 */
export default {
  ...base,
  roots: ['<rootDir>/test/chaos'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  maxWorkers: 1,
  testTimeout: 300000,
  // A connection that a fault left half open must not keep a finished run of the suite from ending.
  forceExit: true,
};
