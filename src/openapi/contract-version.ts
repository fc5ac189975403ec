/** The wire contract's major version: it changes when something listed changes or vanishes. */
export const CONTRACT_VERSION = '1';
