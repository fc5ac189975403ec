import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { type ServerOptions, type VerifyClientCallbackAsync, WebSocket, type WebSocketServer } from 'ws';
import { Authenticator } from '../../auth/authenticator.service.js';
import type { Principal } from '../../auth/principal.js';
import { Revocations } from '../../auth/revocations.service.js';
import { AppError } from '../../errors/app-error.js';
import { toProblem } from '../../errors/problem.js';
import { Metrics } from '../../telemetry/metrics.js';
import { Shutdown } from '../../telemetry/shutdown.js';
import { HeartbeatWheel } from '../heartbeat-wheel.js';
import { AgentSocket, CLOSE } from './agent-socket.js';
import { type MessageHandler, SocketInbox } from './socket-inbox.js';

const PROTOCOL = 'agent.v1';
const LIMITS = { maxPayload: 65_536, maxFragments: 128, perMessageDeflate: false, WebSocket: AgentSocket };
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

  constructor(app: INestApplication) {
    super(app);
    this.authenticator = app.get(Authenticator, { strict: false });
    this.revocations = app.get(Revocations, { strict: false });
    this.shutdown = app.get(Shutdown, { strict: false });
    this.wheel = app.get(HeartbeatWheel, { strict: false });
    this.metrics = app.get(Metrics, { strict: false });
  }

  override create(port: number, options: ServerOptions & { path: string }): WebSocketServer {
    const verifyClient: VerifyClientCallbackAsync = ({ req }, answer) => {
      void this.verify(req).then((reply) => answer(...reply));
    };
    const handleProtocols = (offered: Set<string>) => (offered.has(PROTOCOL) ? PROTOCOL : false);
    return super.create(port, { ...options, ...LIMITS, verifyClient, handleProtocols }) as WebSocketServer;
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
    new SocketInbox(socket, handlers).open();
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
      if (this.shutdown.begun)
        throw new AppError('draining', 'The server is shutting down: try again in a moment.');
      this.principals.set(request, await this.authenticator.authenticateHandshake(request));
      return [true];
    } catch (error) {
      const refusal =
        error instanceof AppError ? error : new AppError('internal', 'The server failed.', { cause: error });
      const challenge = refusal.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
      const body = JSON.stringify(toProblem(refusal, randomUUID()));
      return [false, refusal.status, body, { 'Content-Type': 'application/problem+json', ...challenge }];
    }
  }

  private welcome(socket: AgentSocket, request: IncomingMessage): void {
    const principal = this.principals.get(request);
    if (principal === undefined) return socket.terminate();
    socket.belongTo(principal);
    const watch = this.revocations.watch(principal);
    const beating = this.wheel.add(() => socket.beat(beating));
    const revoke = () => socket.close(CLOSE.unauthenticated, 'sign in again');
    const restart = () => socket.close(CLOSE.restart, 'restart');
    watch.signal.addEventListener('abort', revoke);
    this.shutdown.signal.addEventListener('abort', restart);
    this.metrics.streamsOpen.inc({ transport: 'websocket' });
    socket.once('close', () => {
      watch.stop();
      beating.remove();
      this.shutdown.signal.removeEventListener('abort', restart);
      this.metrics.streamsOpen.dec({ transport: 'websocket' });
    });
  }
}

function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}
