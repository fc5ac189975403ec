import type { AddressInfo } from 'node:net';
import type { DynamicModule, Type } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger } from 'nestjs-pino';
import { createApp } from './app.setup.js';
import { FirstAdministrator } from './auth/first-administrator.service.js';
import { Database } from './database/database.js';
import { EnvironmentError } from './errors/environment.js';
import { EventLog } from './event-log/event-log.js';
import { LanguageModel } from './model/language-model.js';
import { serverConfig, type ServerConfig } from './server.config.js';
import { maskSecrets } from './telemetry/mask-secrets.js';

/**
 * Connections that the kernel keeps until they are accepted (at most `net.core.somaxconn`). When all viewers of a
 * node come back at once, Node's 511 are too few: whoever is not taken asks again after 1, 3 and 7 seconds.
 */
const BACKLOG = 4_096;

/** Nest hands on all arguments to Node's server, but names two. */
interface Listens {
  listen(port: number, host: string, backlog: number): Promise<unknown>;
}

/**
 * Starts the server and ends the process with it: 0 after SIGTERM or SIGINT, 1 when it cannot start.
 * @param module the application's own, around `AppModule`.
 */
export async function serve(module?: Type | DynamicModule): Promise<void> {
  try {
    const app = await createApp(module);
    endWithSignals(app);
    outliveStrayRejections(app);
    const { PORT, HOST } = app.get<ServerConfig>(serverConfig.KEY);
    await (app as unknown as Listens).listen(PORT, HOST, BACKLOG);
    process.stdout.write(banner(app));
  } catch (error) {
    process.stderr.write(maskSecrets(explain(error)));
    process.exit(1);
  }
}

function endWithSignals(app: NestExpressApplication): void {
  let closing = false;
  const end = (signal: NodeJS.Signals) => {
    // Whoever asks twice does not want to wait for the runs.
    if (closing) process.exit(1);
    closing = true;
    app.get(Logger).log(`${signal}: shutting down`);
    app.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(maskSecrets(explain(error)));
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

/** A promise that a tool has forgotten must not end the runs of others: it is logged, and nothing waits for it. */
function outliveStrayRejections(app: NestExpressApplication): void {
  process.on('unhandledRejection', (error) => {
    app.get(Logger).error({ err: error }, 'A promise was rejected, and nobody had waited for it');
  });
}

function banner(app: NestExpressApplication): string {
  const { address, family, port } = app.getHttpServer().address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  const database = app.get(Database, { strict: false }).describe();
  const hint = app.get(FirstAdministrator, { strict: false }).signInHint;
  const lines = [
    ['listens on', url],
    ['database', database],
    ['event log', app.get(EventLog, { strict: false }).describe()],
    ['model', app.get(LanguageModel, { strict: false }).describe()],
    ['next', `open ${url} in a browser${hint === undefined ? '' : ` and sign in as ${hint.email}`}`],
    ...(hint === undefined ? [] : [['password', `admin_password in ${hint.passwordFile}`]]),
  ];
  return `\nAgentline is ready.\n${lines.map(([name = '', value = '']) => `  ${name.padEnd(11)} ${value}\n`).join('')}\n`;
}

/** What the operator can mend is one line; everything else keeps its stack. */
function explain(error: unknown): string {
  if (error instanceof EnvironmentError) return `Agentline cannot start: ${error.message}\n`;
  if (isPortInUse(error))
    return `Agentline cannot start: PORT ${error.port} is in use. Stop what uses it, or set another PORT.\n`;
  if (isNoAddress(error))
    return `Agentline cannot start: HOST is ${JSON.stringify(error.hostname ?? error.address)}, but takes an address or name of this machine.\n`;
  return `Agentline cannot start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}

function isPortInUse(error: unknown): error is Error & { port: number } {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error;
}

/** What `listen` says of a name that cannot be resolved, or of an address that is another machine's. */
function isNoAddress(error: unknown): error is Error & { hostname?: string; address?: string } {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return ['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL'].includes(String(error.code));
}
