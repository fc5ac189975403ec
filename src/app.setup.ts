import { type DynamicModule, Logger, StandardSchemaValidationPipe, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import { AgentModule } from './agent/agent.module.js';
import { AppModule } from './app.module.js';
import { AuditModule } from './audit/audit.module.js';
import { authConfig, type AuthConfig } from './auth/auth.config.js';
import { Authenticator } from './auth/authenticator.service.js';
import { parseBodies } from './body-parsers.js';
import { answerConnectionErrors } from './connection-errors.js';
import { contentSecurityPolicy } from './console/content-security-policy.js';
import { invalidRequest } from './errors/invalid-request.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { limitPipelines } from './pipeline-limit.js';
import { refuseOddRequests } from './request-hygiene.js';
import { serverConfig, type ServerConfig } from './server.config.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';

/** Milliseconds in which a client has to send its headers or its handshake, and how often that is looked at. */
const HEADERS_TIMEOUT_MS = 8_000;
const LOOK_MS = 1_000;
/** Milliseconds in which a client has to send a whole request: 10 MB at 0.7 Mbit/s. */
const REQUEST_TIMEOUT_MS = 120_000;

/**
 * The application as every instance has it, in tests too; it does not listen yet.
 * @param module the modules of the application; a test adds its own around `AppModule`.
 */
export async function createApp(module: Type | DynamicModule = AppModule): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module, {
    abortOnError: false,
    bodyParser: false,
    bufferLogs: true,
    // Why an application could not be made is said once, by who wanted it: see serve.ts.
    autoFlushLogs: false,
    // Streams are ended by agent/drain.service.ts first; what is open after that is cut.
    forceCloseConnections: true,
  });
  limitPipelines(app);
  TelemetryModule.attach(app);
  app.flushLogs();
  AuditModule.attach(app);
  const logger = new Logger('Connections');
  answerConnectionErrors(app.getHttpServer(), (refusal) =>
    logger.log({ ...refusal, msg: 'A connection was refused' }),
  );
  app.use(helmet({ contentSecurityPolicy }));
  refuseOddRequests(app);
  secure(app);
  parseBodies(app, app.get(Authenticator, { strict: false }));
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest }));
  AgentModule.attach(app);
  OpenApiModule.attach(app);
  return app;
}

function secure(app: NestExpressApplication): void {
  const { TRUST_PROXY } = app.get<ServerConfig>(serverConfig.KEY);
  if (TRUST_PROXY !== undefined) app.set('trust proxy', TRUST_PROXY);
  app.disable('x-powered-by');
  const { allowedOrigins } = app.get<AuthConfig>(authConfig.KEY, { strict: false });
  if (allowedOrigins !== null) app.enableCors({ origin: allowedOrigins, credentials: true });
  const server = app.getHttpServer();
  // Node takes the last from its constructor's options or, undocumented, from here until it listens.
  Object.assign(server, {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: LOOK_MS,
  });
}
