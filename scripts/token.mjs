import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

/** `npm run -s token`: an access token for the administrator that a development server has made for itself. */
const { DATA_DIR = '.data', AGENTLINE_URL = 'http://127.0.0.1:3000' } = process.env;
const EMAIL = 'admin@localhost';

process.exitCode = await print().catch((error) => {
  process.stderr.write(`No token: ${error.cause?.message || error.message}\n`);
  return 1;
});

async function print() {
  const secrets = JSON.parse(readFileSync(join(DATA_DIR, 'development.json'), 'utf8'));
  const answer = await fetch(new URL('/api/auth/token', AGENTLINE_URL), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: EMAIL, password: secrets.admin_password }),
    signal: AbortSignal.timeout(10_000),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail);
  process.stdout.write(`${said.access_token}\n`);
  return 0;
}
