import type { AddressInfo } from 'node:net';
import type { DynamicModule, Type } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Logger } from 'nestjs-pino';
import { createApp } from './app.setup.js';
import { banner } from './banner.js';
import { FirstAdministrator } from './auth/first-administrator.service.js';
import { Database } from './database/database.js';
import { EventLog } from './event-log/event-log.js';
import { LanguageModel } from './model/language-model.js';
import { cannotStart } from './cannot-start.js';
import { serverConfig, type ServerConfig } from './server.config.js';
import type { ReadyLine } from './workers/orders.js';
import { isWorker, listenBeside, obeySupervisor, tellReady } from './workers/worker.js';

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
 * Starts the application in this process, which ends with it: 0 after SIGTERM or SIGINT, 1 when it cannot start.
 * @param module the application's own, around `AppModule`.
 */
export async function listen(module?: Type | DynamicModule): Promise<void> {
  try {
    const app = await createApp(module);
    const end = ending(app);
    outliveStrayRejections(app);
    const { PORT, HOST } = app.get<ServerConfig>(serverConfig.KEY);
    if (isWorker) {
      obeySupervisor(end);
      await app.init();
      tellReady(bannerLines(app, await listenBeside(app.getHttpServer(), PORT, HOST, BACKLOG)));
      return;
    }
    endWithSignals(end);
    await (app as unknown as Listens).listen(PORT, HOST, BACKLOG);
    process.stdout.write(banner(bannerLines(app, app.getHttpServer().address() as AddressInfo)));
  } catch (error) {
    cannotStart(error);
  }
}

/** Closes the application, once, and then ends the process. */
function ending(app: NestExpressApplication): (why: string) => void {
  let closing = false;
  return (why) => {
    if (closing) return;
    closing = true;
    app.get(Logger).log(`${why}: shutting down`);
    app.close().then(() => process.exit(0), cannotStart);
  };
}

function endWithSignals(end: (why: string) => void): void {
  let asked = false;
  const asks = (signal: NodeJS.Signals) => {
    // Whoever asks twice does not want to wait for the runs.
    if (asked) process.exit(1);
    asked = true;
    end(signal);
  };
  process.on('SIGTERM', asks);
  process.on('SIGINT', asks);
}

/** A promise that a tool has forgotten must not end the runs of others: it is logged, and nothing waits for it. */
function outliveStrayRejections(app: NestExpressApplication): void {
  process.on('unhandledRejection', (error) => {
    app.get(Logger).error({ err: error }, 'A promise was rejected, and nobody had waited for it');
  });
}

function bannerLines(app: NestExpressApplication, { address, family, port }: AddressInfo): ReadyLine[] {
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  const hint = app.get(FirstAdministrator, { strict: false }).signInHint;
  return [
    ['listens on', url],
    ['database', app.get(Database, { strict: false }).describe()],
    ['event log', app.get(EventLog, { strict: false }).describe()],
    ['model', app.get(LanguageModel, { strict: false }).describe()],
    ['next', `open ${url} in a browser${hint === undefined ? '' : ` and sign in as ${hint.email}`}`],
    ...(hint === undefined ? [] : [['password', `admin_password in ${hint.passwordFile}`] as ReadyLine]),
  ];
}
