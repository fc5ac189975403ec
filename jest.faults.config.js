import base from './jest.config.js';

/** Stories that kill, stop and starve real server processes: `npm run test:faults`, one after the other. */
export default {
  ...base,
  roots: ['<rootDir>/test/faults'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  maxWorkers: 1,
  testTimeout: 180000,
  // A story that fails may leave viewers who go on trying: that must not keep CI waiting.
  forceExit: true,
};
