/** The variables of every server under test; none of them is a secret of anybody. */
export const TEST_ENV = {
  ADMIN_EMAIL: 'admin@example.com',
  ADMIN_PASSWORD: 'correct horse battery staple',
  JWT_SECRET: 'a secret for tests only, long enough for HS256',
  SESSION_SECRET: 'another secret for tests only, also long enough',
  /** Never the real service, also where a test sets no upstream of its own. */
  ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
  ANTHROPIC_API_KEY: 'test-key',
} as const;

/** Variables that send the model's calls to a fake. */
export function upstreamEnv(url: string): Record<string, string> {
  return { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'test-key' };
}
