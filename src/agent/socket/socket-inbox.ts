import { AppError } from '../../errors/app-error.js';
import type { ErrorCode } from '../../errors/error-codes.js';
import { socketFrame, socketRef } from '../requests.js';
import { type AgentSocket, CLOSE, type Ref } from './agent-socket.js';

/** What Nest hands an adapter: one method of the gateway. */
export interface MessageHandler {
  message: string;
  callback(message: SocketMessage): unknown;
}

/** A client's request on its way to the gateway. */
export interface SocketMessage {
  data: unknown;
  ref: Ref;
  /** Length of the whole message. */
  bytes: number;
  /** Why it was rejected, once it was. */
  refusal?: ErrorCode;
}

/** What the gateway answers: `data` goes into the `ack`, then `afterwards` begins what follows it. */
export interface SocketReply {
  data: unknown;
  afterwards?: () => void;
}

/** Told of every request that was answered; `reply` is undefined where it was rejected. */
export type Told = (event: string, message: SocketMessage, reply: SocketReply | undefined) => void;

/** Reads what a client sends, within its limits, and answers every request: with `ack` or with `rejected`. */
export class SocketInbox {
  private readonly handlers: Map<string, MessageHandler>;

  constructor(
    private readonly socket: AgentSocket,
    handlers: readonly MessageHandler[],
    private readonly told: Told = () => {},
  ) {
    this.handlers = new Map(handlers.map((handler) => [handler.message, handler]));
  }

  open(): void {
    this.socket.on('message', (data: Buffer, isBinary: boolean) => this.receive(data, isBinary));
    this.socket.on('ping', () => this.isAllowed());
    // A pong that nobody asked for (RFC 6455 §5.5.3) is a message like any other.
    this.socket.on('pong', () => {
      if (this.socket.isAwaited || this.isAllowed()) this.socket.heard();
    });
  }

  /** What comes after our goodbye, and before the client's, is not heard any more. */
  private receive(data: Buffer, isBinary: boolean): void {
    if (this.socket.isDismissed) return;
    this.socket.heard();
    if (!this.isAllowed()) return;
    if (isBinary) return this.socket.dismiss(CLOSE.unsupported, 'text frames only');
    const message = parseJson(data.toString());
    const frame = socketFrame.safeParse(message);
    if (!frame.success) {
      const { ref } = socketRef.safeParse(message).data ?? {};
      return this.refuse(ref, 'Send one JSON object: {"event", "data", "ref"?}.');
    }
    const { event, data: payload, ref } = frame.data;
    const handler = this.handlers.get(event);
    if (handler === undefined) {
      return this.refuse(
        ref,
        `There is no event ${JSON.stringify(event)}. Known: ${[...this.handlers.keys()].join(', ')}.`,
      );
    }
    this.socket.enqueue(() => this.answer(handler, { data: payload, ref, bytes: data.length }));
  }

  /** A refusal by the gateway is answered by its filter, and comes back as undefined. */
  private async answer(handler: MessageHandler, message: SocketMessage): Promise<void> {
    const reply = (await handler.callback(message)) as SocketReply | undefined;
    this.told(handler.message, message, reply);
    if (reply === undefined) return;
    this.socket.acknowledge(message.ref, reply.data);
    reply.afterwards?.();
  }

  private isAllowed(): boolean {
    if (this.socket.limits.countMessage()) return true;
    this.socket.dismiss(CLOSE.policy, 'too many messages');
    return false;
  }

  private refuse(ref: Ref, message: string): void {
    this.socket.reject(ref, new AppError('invalid_request', message));
    if (!this.socket.limits.countMalformed())
      this.socket.dismiss(CLOSE.policy, 'too many malformed messages');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not JSON is as wrong as the wrong JSON; the schema says no to both.
    return error;
  }
}
