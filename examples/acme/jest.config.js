/** Specs as TypeScript has built them. */
export default {
  roots: ['<rootDir>/dist'],
  testMatch: ['**/*.spec.js'],
  transform: {},
  testTimeout: 20000,
  injectGlobals: false,
};
