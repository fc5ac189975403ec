// Writes openapi.json and asyncapi.json, as the server that is built serves them: `npm run openapi`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'agentline-openapi-'));
process.chdir(folder);
Object.assign(process.env, { DATA_DIR: folder, LOG_LEVEL: 'silent', NODE_ENV: 'development' });
for (const name of ['DATABASE_URL', 'REDIS_URL']) delete process.env[name];

const root = new URL('../', import.meta.url);
const { createApp } = await import(new URL('dist/app.setup.js', root).href);
const app = await createApp();
await app.listen(0, '127.0.0.1');
try {
  for (const name of ['openapi.json', 'asyncapi.json']) {
    const response = await fetch(`${await app.getUrl()}/api/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    writeFileSync(new URL(name, root), `${JSON.stringify(await response.json(), null, 2)}\n`);
  }
} finally {
  await app.close();
  rmSync(folder, { recursive: true, force: true });
}
