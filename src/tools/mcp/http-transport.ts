import {
  type JSONRPCMessage,
  StreamableHTTPClientTransport,
  type TransportSendOptions,
} from '@modelcontextprotocol/client';
import type { AddressGuard } from '../address-guard.js';
import { type GuardedFetch, guardedFetch } from './guarded-fetch.js';
import type { HttpEndpoint } from './tool-servers.js';

/** Code of the error that stands for an answer that will not come; JSON-RPC leaves these numbers to us. */
export const ANSWER_LOST = -32_050;

/** Pauses of the stream for notices: a server may ask for none at all, which would be a loop without a rest. */
const LEAST_PAUSE_MS = 1_000;
const MOST_PAUSE_MS = 30_000;
const GOODBYE_MS = 1_000;

type Id = string | number;

/**
 * Streamable HTTP of the SDK behind the address rules, with two things that it leaves open: a request whose stream
 * ends without an answer is answered by an error at once, and a request that was given up or answered lets go of its
 * connection, whatever the server goes on to send.
 */
export class HttpTransport extends StreamableHTTPClientTransport {
  private readonly waiting = new Map<Id, AbortController>();
  private readonly connections: GuardedFetch;

  constructor(endpoint: HttpEndpoint, guard: AddressGuard) {
    const connections = guardedFetch(guard);
    super(new URL(endpoint.url), {
      fetch: connections.fetch,
      requestInit: { headers: endpoint.headers },
      redirectPolicy: 'follow',
      onInsufficientScope: 'throw',
      reconnectionScheduler: (reconnect, delay) => {
        const timer = setTimeout(reconnect, Math.min(Math.max(delay, LEAST_PAUSE_MS), MOST_PAUSE_MS));
        return () => clearTimeout(timer);
      },
    });
    this.connections = connections;
    // Clients call what is set here before they look at a message themselves.
    // oxlint-disable-next-line unicorn/prefer-add-event-listener
    this.onmessage = (message) => this.answered(message);
  }

  override async send(
    message: JSONRPCMessage | JSONRPCMessage[],
    options: TransportSendOptions = {},
  ): Promise<void> {
    if (Array.isArray(message)) return super.send(message, options);
    if ('method' in message && 'id' in message) return this.request(message, message.id, options);
    await super.send(message, options);
    if ('method' in message && message.method === 'notifications/cancelled')
      this.leave(message.params?.['requestId']);
  }

  /** Tells the server, when there is time, that the session is over; then ends all connections. */
  override async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, GOODBYE_MS);
    // Whether the server hears it makes no difference.
    const goodbye = this.terminateSession().catch(() => undefined);
    await Promise.race([goodbye, promise]);
    clearTimeout(timer);
    await super.close();
    await this.connections.close();
  }

  private async request(message: JSONRPCMessage, id: Id, options: TransportSendOptions): Promise<void> {
    const controller = new AbortController();
    this.waiting.set(id, controller);
    const { requestSignal, onRequestStreamEnd } = options;
    const signals = [controller.signal, ...(requestSignal === undefined ? [] : [requestSignal])];
    try {
      await super.send(message, {
        ...options,
        requestSignal: AbortSignal.any(signals),
        onRequestStreamEnd: () => {
          onRequestStreamEnd?.();
          this.lost(id);
        },
      });
    } catch (error) {
      this.waiting.delete(id);
      throw error;
    }
  }

  private answered(message: JSONRPCMessage): void {
    if (!('method' in message)) this.leave(message.id);
  }

  private lost(id: Id): void {
    if (!this.waiting.delete(id)) return;
    const error = { code: ANSWER_LOST, message: 'The connection ended before the answer.' };
    this.onmessage?.({ jsonrpc: '2.0', id, error });
  }

  private leave(id: unknown): void {
    if (typeof id !== 'string' && typeof id !== 'number') return;
    const controller = this.waiting.get(id);
    this.waiting.delete(id);
    // What is being read at this moment is read to its end first.
    if (controller !== undefined) setImmediate(() => controller.abort());
  }
}
