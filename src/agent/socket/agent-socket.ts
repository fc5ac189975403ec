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
  /** Who waits until something is handed to the network; nobody does once there is none. */
  private readonly waiting = new Set<() => void>();
  private readonly patience = new Patience();
  /** Grows whenever the peer is seen to take something of what waits for it, or to say something. */
  private signs = 0;
  private lastPending = 0;

  /** Who opened it, as of the last request; known since the handshake. */
  get principal(): Principal {
    if (this.owner === undefined) throw new Error('The socket was used before its handshake was over.');
    return this.owner;
  }

  belongTo(principal: Principal): void {
    this.owner = principal;
    this.once('close', () => {
      for (const go of this.waiting) go();
    });
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

  /** Sends frames; resolved when the last is handed to the network, so who waits never runs ahead of the viewer. */
  sendAll(frames: readonly string[]): Promise<void> {
    if (frames.length === 0 || this.readyState !== WebSocket.OPEN) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const go = () => {
      this.signs += 1;
      this.waiting.delete(go);
      resolve();
    };
    this.waiting.add(go);
    const last = frames.length - 1;
    for (const [index, frame] of frames.entries()) this.send(frame, index === last ? go : undefined);
    return promise;
  }

  acknowledge(ref: Ref, data: unknown): void {
    void this.sendAll([JSON.stringify({ event: 'ack', ref, data })]);
  }

  reject(ref: Ref, { code, message, errors }: AppError): void {
    const data = { code, error: message, ...(errors === undefined ? {} : { errors }) };
    void this.sendAll([JSON.stringify({ event: 'rejected', ref, data })]);
  }

  /**
   * Pings, or ends a peer that did not answer the ping before. A peer that reads slowly has not seen the ping yet
   * and is waited for: it is paused, not cut, unless it takes nothing for three beats.
   */
  beat(beating: Beating): void {
    if (this.readyState !== WebSocket.OPEN) return;
    const pending = this.bufferedAmount;
    if (pending < this.lastPending) this.signs += 1;
    this.lastPending = pending;
    const isGone = this.patience.isOver(pending, this.signs) || (pending === 0 && !this.isAlive);
    if (isGone) {
      beating.remove();
      this.terminate();
    } else if (pending === 0) {
      this.isAlive = false;
      this.ping();
    }
  }

  /** Whether a ping of ours is not answered yet. */
  get isAwaited(): boolean {
    return !this.isAlive;
  }

  heard(): void {
    this.isAlive = true;
    this.signs += 1;
  }
}
