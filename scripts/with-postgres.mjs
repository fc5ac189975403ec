import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { PostgresServer } from './postgres/postgres-server.mjs';
import { RedisServer } from './redis/redis-server.mjs';

/**
 * `node scripts/with-postgres.mjs command …`: runs a command beside a PostgreSQL and a Redis of its own. It finds
 * their addresses in TEST_DATABASE_URL, DATABASE_URL and TEST_REDIS_URL. The exit code is the command's, or 1
 * without the two.
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
  const postgres = await PostgresServer.start();
  try {
    const redis = await RedisServer.start();
    try {
      return await runBeside(postgres, redis);
    } finally {
      await redis.stop();
    }
  } finally {
    await postgres.stop();
  }
}

async function runBeside(postgres, redis) {
  const stores = {
    TEST_DATABASE_URL: postgres.url,
    DATABASE_URL: postgres.url,
    TEST_REDIS_URL: redis.url,
  };
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...stores } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, 'close');
  return code ?? 1;
}
