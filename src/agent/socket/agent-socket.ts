import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Principal } from '../../auth/principal.js';
import type { AppError } from '../../errors/app-error.js';
import { type Beating, Patience } from '../heartbeat-wheel.js';
import { MessageLimits } from './message-limits.js';
import { Subscriptions } from './subscriptions.js';

/** Close codes (RFC 6455 §7.4.1; 4401 is the wire contract's). */
export const CLOSE = {
  unsupported: 1003,
  policy: 1008,
  restart: 1012,
  unauthenticated: 4401,
} as const;

/** A ping without data (RFC 6455 §5.5.2), the same for all. */
const PING = Buffer.from([0x89, 0]);

/** The name by which a client knows its request. */
export type Ref = string | number | undefined;

/** A viewer's socket: who it is, what it watches, how much it may say. */
export class AgentSocket extends WebSocket {
  readonly subscriptions = new Subscriptions();
  readonly limits = new MessageLimits(() => performance.now());
  private owner: Principal | undefined;
  /** We have said goodbye: what the client asks for is not done any more, whatever it makes of that. */
  isDismissed = false;
  private isAlive = true;
  private closing: AbortController | undefined;
  private work: Promise<void> = Promise.resolve();
  private transport: Socket | undefined;
  /** Who waits until there is room; nobody does once the socket is closed. */
  private waiting: (() => void)[] = [];
  private readonly patience = new Patience();
  /** Messages of the peer. */
  private heardOf = 0;

  /** Who opened it, as of the last request; known since the handshake. */
  get principal(): Principal {
    if (this.owner === undefined) throw new Error('The socket was used before its handshake was over.');
    return this.owner;
  }

  /** @param transport the connection under it, of the handshake's request. */
  belongTo(principal: Principal, transport: Socket): void {
    this.owner = principal;
    this.transport = transport;
    const go = () => this.letGo();
    transport.on('drain', go).once('close', go);
  }

  /** The same user, with the roles of today. */
  renew(principal: Principal): void {
    this.owner = principal;
  }

  /** Aborted when the socket is closed. */
  get closed(): AbortSignal {
    if (this.closing === undefined) {
      const closing = new AbortController();
      this.closing = closing;
      this.once('close', () => closing.abort());
      if (this.readyState === WebSocket.CLOSED) closing.abort();
    }
    return this.closing.signal;
  }

  dismiss(code: number, reason: string): void {
    this.isDismissed = true;
    this.close(code, reason);
  }

  /** Does the client's requests one after the other, in the order in which they came. */
  enqueue(task: () => Promise<void>): void {
    this.work = this.work
      .then(() => (this.isDismissed ? undefined : task()))
      .catch((error: unknown) => {
        this.emit('error', error);
        this.terminate();
      });
  }

  /**
   * Sends whole frames, made once for all who get them, straight to the connection: `ws` itself writes twice for each
   * message. Nothing of it may wait inside `ws` then, as it does there only for compression.
   * @returns undefined when there is room for more, else when there is, so who waits never runs ahead of the viewer.
   */
  sendFrames(frames: readonly Buffer[]): Promise<void> | undefined {
    const { transport } = this;
    if (transport === undefined || frames.length === 0 || this.readyState !== WebSocket.OPEN)
      return undefined;
    let hasRoom = true;
    transport.cork();
    for (const frame of frames) hasRoom = transport.write(frame);
    transport.uncork();
    if (hasRoom || transport.destroyed) return undefined;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  acknowledge(ref: Ref, data: unknown): void {
    this.say({ event: 'ack', ref, data });
  }

  reject(ref: Ref, { code, message, errors }: AppError): void {
    const data = { code, error: message, ...(errors === undefined ? {} : { errors }) };
    this.say({ event: 'rejected', ref, data });
  }

  /**
   * Pings, or ends a peer that did not answer the ping before. A peer that reads slowly has not seen the ping yet
   * and is waited for: it is paused, not cut, unless it takes nothing for three beats.
   */
  beat(beating: Beating): void {
    if (this.readyState !== WebSocket.OPEN) return;
    const pending = this.bufferedAmount;
    const written = this.transport?.bytesWritten ?? 0;
    const isGone =
      this.patience.isOver(pending, written - pending + this.heardOf) || (pending === 0 && !this.isAlive);
    if (isGone) {
      beating.remove();
      this.terminate();
    } else if (pending === 0) {
      this.isAlive = false;
      this.transport?.write(PING);
    }
  }

  /** Whether a ping of ours is not answered yet. */
  get isAwaited(): boolean {
    return !this.isAlive;
  }

  heard(): void {
    this.isAlive = true;
    this.heardOf += 1;
  }

  private say(message: object): void {
    if (this.readyState === WebSocket.OPEN) this.send(JSON.stringify(message));
  }

  private letGo(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
  }
}
