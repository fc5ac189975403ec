import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import PQueue from 'p-queue';
import { type ServerOptions, type VerifyClientCallbackAsync, WebSocket, type WebSocketServer } from 'ws';
import { Audit } from '../../audit/audit.service.js';
import { Authenticator } from '../../auth/authenticator.service.js';
import type { Principal } from '../../auth/principal.js';
import { Revocations } from '../../auth/revocations.service.js';
import { AppError } from '../../errors/app-error.js';
import { Limits } from '../../limits/limits.service.js';
import { Metrics } from '../../telemetry/metrics.js';
import { Shutdown } from '../../telemetry/shutdown.js';
import { HeartbeatWheel } from '../heartbeat-wheel.js';
import { AgentSocket, CLOSE } from './agent-socket.js';
import { refuseHandshake, refuseUpgrade, upgradeRefusal } from './upgrade-refusal.js';
import { SocketAudit } from './socket-audit.js';
import { type MessageHandler, SocketInbox } from './socket-inbox.js';

const PROTOCOL = 'agent.v1';
const LIMITS = {
  maxPayload: 65_536,
  maxFragments: 128,
  perMessageDeflate: false,
  /** Milliseconds that a client has to answer a goodbye. */
  closeTimeout: 2_000,
  WebSocket: AgentSocket,
};
const RETRY_AFTER_S = 5;
const HANDSHAKES = 512;
/** Milliseconds that sockets have for their part of the closing handshake at shutdown. */
const CLOSE_WAIT_MS = 1_000;

type Reply = Parameters<Parameters<VerifyClientCallbackAsync>[1]>;

/**
 * How sockets come in and go. Nest's own adapter lets in whoever asks, answers nothing to what it does not
 * understand, and cuts sockets at shutdown; this one checks before the upgrade, pings, limits and says goodbye.
 */
export class AgentSocketAdapter extends WsAdapter {
  private readonly principals = new WeakMap<IncomingMessage, Principal>();
  private readonly authenticator: Authenticator;
  private readonly revocations: Revocations;
  private readonly shutdown: Shutdown;
  private readonly wheel: HeartbeatWheel;
  private readonly metrics: Metrics;
  private readonly limits: Limits;
  private readonly audit: SocketAudit;
  /** Some hundreds at a time: thousands who come back at once must not keep the database from those who write. */
  private readonly handshakes = new PQueue({ concurrency: HANDSHAKES });

  constructor(app: INestApplication) {
    super(app);
    this.authenticator = app.get(Authenticator, { strict: false });
    this.revocations = app.get(Revocations, { strict: false });
    this.shutdown = app.get(Shutdown, { strict: false });
    this.wheel = app.get(HeartbeatWheel, { strict: false });
    this.metrics = app.get(Metrics, { strict: false });
    this.limits = app.get(Limits, { strict: false });
    this.audit = new SocketAudit(app.get(Audit, { strict: false }));
  }

  override create(port: number, options: ServerOptions & { path: string }): WebSocketServer {
    const verifyClient: VerifyClientCallbackAsync = ({ req }, answer) => {
      void this.handshakes.add(() => this.verify(req)).then((reply) => answer(...reply));
    };
    const server = super.create(port, {
      ...options,
      ...LIMITS,
      verifyClient,
      handleProtocols,
    }) as WebSocketServer;
    return server.on('wsClientError', refuseHandshake);
  }

  /** Nest's own listener cuts off who asks for another path without a word. */
  protected override ensureHttpServerExists(port: number, httpServer = createServer()): Server | undefined {
    if (this.httpServersRegistry.has(port)) return undefined;
    this.httpServersRegistry.set(port, httpServer);
    // Offers of other protocols, like `h2c`, are passed over (RFC 9110 §7.8); known to Node since 24.9.
    Object.assign(httpServer, { shouldUpgradeCallback: asksForSocket });
    return httpServer.on('upgrade', (request, socket, head) => {
      // Refused already.
      if (!socket.writable) return;
      const path = request.url?.split('?')[0];
      const server = this.wsServersRegistry.get(port)?.find((each: WebSocketServer) => each.path === path);
      if (server === undefined) {
        return refuseUpgrade(socket, new AppError('not_found', 'No socket is offered here.'));
      }
      server.handleUpgrade(request, socket, head, (opened: WebSocket) =>
        server.emit('connection', opened, request),
      );
    });
  }

  /** What a client does wrong with its frames is no error of ours, and cannot fill the log with them. */
  override bindErrorHandler(server: WebSocketServer): WebSocketServer {
    server.on('error', (error) => this.logger.error(error));
    return server.on('connection', (socket: WebSocket) => {
      socket.on('error', (error: Error & { code?: string }) => {
        const isTheirs = error.code?.startsWith('WS_ERR_') === true;
        if (isTheirs) this.logger.debug(`A socket is closed: ${error.message}`);
        else this.logger.error(error);
      });
    });
  }

  override bindClientConnect(
    server: WebSocketServer,
    callback: (socket: AgentSocket, request: IncomingMessage) => void,
  ): void {
    server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
      if (!(socket instanceof AgentSocket)) return socket.terminate();
      this.welcome(socket, request);
      callback(socket, request);
    });
  }

  override bindMessageHandlers(socket: AgentSocket, handlers: MessageHandler[]): void {
    new SocketInbox(socket, handlers, (...answer) => this.audit.answered(socket, ...answer)).open();
  }

  override async close(server: WebSocketServer): Promise<void> {
    const sockets = [...server.clients];
    for (const socket of sockets) socket.close(CLOSE.restart, 'restart');
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.terminate();
    }, CLOSE_WAIT_MS);
    await Promise.all(sockets.map(closed));
    clearTimeout(timer);
    await super.close(server);
  }

  /** Refusals come before the upgrade, as problem details. */
  private async verify(request: IncomingMessage): Promise<Reply> {
    try {
      if (request.headers['sec-websocket-version'] !== '13') {
        throw new AppError('invalid_request', 'Sec-WebSocket-Version must be 13.');
      }
      if (this.shutdown.begun) {
        throw new AppError('draining', 'The server is shutting down: try again in a moment.', {
          retryAfter: RETRY_AFTER_S,
        });
      }
      const principal = await this.authenticator.authenticateHandshake(request);
      await this.limits.takeRequest(principal);
      await this.admit(request, principal);
      this.principals.set(request, principal);
      return [true];
    } catch (error) {
      const requestId = randomUUID();
      if (error instanceof AppError) {
        this.audit.refused(request, error, requestId);
        return [false, ...upgradeRefusal(error, requestId)];
      }
      this.logger.error({ err: error, request_id: requestId }, 'A handshake failed');
      return [false, ...upgradeRefusal(new AppError('internal', 'Something failed on our side.'), requestId)];
    }
  }

  /** The connection is one of its principal's streams until it is closed, also when no socket comes of it. */
  private async admit({ socket }: IncomingMessage, principal: Principal): Promise<void> {
    const release = await this.limits.openStream(principal);
    if (socket.closed) release();
    else socket.once('close', release);
  }

  private welcome(socket: AgentSocket, request: IncomingMessage): void {
    const principal = this.principals.get(request);
    if (principal === undefined) return socket.terminate();
    socket.belongTo(principal, request.socket);
    this.audit.opened(socket, request);
    const beating = this.wheel.add(() => socket.beat(beating));
    const unwatch = this.revocations.onEnd(principal, () =>
      socket.dismiss(CLOSE.unauthenticated, 'sign in again'),
    );
    const restart = () => socket.dismiss(CLOSE.restart, 'restart');
    const gone = this.shutdown.stay(restart);
    this.metrics.streamsOpen.inc({ transport: 'websocket' });
    socket.once('close', () => {
      unwatch();
      beating.remove();
      gone();
      this.metrics.streamsOpen.dec({ transport: 'websocket' });
    });
  }
}

/** Never anything else of what is offered: the token may stand beside it. */
function handleProtocols(offered: Set<string>): string | false {
  return offered.has(PROTOCOL) ? PROTOCOL : false;
}

function asksForSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}
