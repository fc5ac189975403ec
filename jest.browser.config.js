import base from './jest.config.js';

/** Stories in a real browser: `npm run test:browser`. Needs Chromium at `/usr/bin/chromium` or `CHROMIUM_PATH`. */
export default {
  ...base,
  roots: ['<rootDir>/test/browser'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  maxWorkers: 1,
  testTimeout: 60000,
};
