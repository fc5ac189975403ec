/** The parsers of `test/security/parsers.spec.ts`, with ten times as many cases. */
process.env['FUZZ_RUNS'] ??= '10000';
await import('../security/parsers.spec.js');
