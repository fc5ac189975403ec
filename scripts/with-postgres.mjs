import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { PostgresServer } from './postgres/postgres-server.mjs';

/**
 * `node scripts/with-postgres.mjs command …`: runs a command beside a PostgreSQL of its own, whose address it finds in
 * TEST_DATABASE_URL and DATABASE_URL. The exit code is the command's, or 1 without a PostgreSQL.
 */
const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  process.stderr.write('Say what to run: node scripts/with-postgres.mjs command …\n');
  process.exit(1);
}
process.exitCode = await run().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  return 1;
});

async function run() {
  const server = await PostgresServer.start();
  try {
    const env = { ...process.env, TEST_DATABASE_URL: server.url, DATABASE_URL: server.url };
    const child = spawn(command, args, { stdio: 'inherit', env });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    const [code] = await once(child, 'close');
    return code ?? 1;
  } finally {
    await server.stop();
  }
}
