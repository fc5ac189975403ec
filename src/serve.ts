import type { DynamicModule, Type } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { banner } from './banner.js';
import { cannotStart } from './cannot-start.js';
import { databaseConfig } from './database/database.config.js';
import { EnvironmentError } from './errors/environment.js';
import { ignoreEnvFile, serverConfig } from './server.config.js';
import { rootLogger } from './telemetry/root-logger.js';
import { telemetryConfig } from './telemetry/telemetry.config.js';
import { Supervisor } from './workers/supervisor.js';
import { isWorker } from './workers/worker.js';

/**
 * Starts the server and ends the process with it: 0 after SIGTERM or SIGINT, 1 when it cannot start. With `WORKERS`
 * above 1 this process only starts others like itself, which share the port, and ends with them.
 * @param module the application's own, around `AppModule`.
 */
export async function serve(module?: Type | DynamicModule): Promise<void> {
  if (!isWorker && (await isSupervisor().catch(cannotStart))) return;
  const { listen } = await import('./listen.js');
  await listen(module);
}

/** Whether this process has started workers, when the settings say so. */
async function isSupervisor(): Promise<boolean> {
  // Reads `.env`, as the application does later.
  await ConfigModule.forRoot({ ignoreEnvFile });
  const { WORKERS, PORT, HOST } = serverConfig();
  if (WORKERS === 1) return false;
  requireSharedDatabase(WORKERS);
  const supervisor = new Supervisor(WORKERS, rootLogger(telemetryConfig()));
  process.stdout.write(banner(await supervisor.start(PORT, HOST)));
  return true;
}

function requireSharedDatabase(workers: number): void {
  if (databaseConfig().DATABASE_URL !== undefined) return;
  throw new EnvironmentError(
    `WORKERS is ${workers}, but the database in a folder belongs to one process: set DATABASE_URL, or leave WORKERS out.`,
  );
}
