import base from './jest.config.js';

/** Clients as they come from their packages, against this server: `npm run test:clients`. */
export default {
  ...base,
  roots: ['<rootDir>/test/clients'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  testTimeout: 60000,
};
