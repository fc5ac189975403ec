import { connect, type Socket } from 'node:net';
import type { RawRequest } from '../harness/candidate.ts';
import { requestText } from '../harness/request-text.ts';
import { ResponseBody } from '../harness/response-body.ts';
import { pongFrame, SocketFrames, textFrame } from './socket-frames.ts';

/** Addresses of loopback from which connections come in turn: each has ports of its own (Linux). */
const ADDRESSES = 4;
const OPEN_STATUS = new Set([0, 101, 200, 201]);
let opened = 0;

export interface Hears {
  /** Text of the body, or of socket messages, as latin1. */
  text: (text: string) => void;
  /** It is over; `problem` is undefined when the response came to its end. */
  ended: (problem: string | undefined) => void;
}

/** One connection of a viewer: HTTP response or WebSocket. Pings are answered. */
export class Connection {
  /** Settles when the candidate has answered with a first byte of the body, or the handshake. */
  readonly answered: Promise<void>;
  beats = 0;
  private readonly socket: Socket;
  private readonly body = new ResponseBody();
  private readonly hears: Hears;
  private readonly messages: string[];
  private frames: SocketFrames | undefined;
  private isOver = false;
  private tellAnswered: () => void = () => {};

  constructor(request: RawRequest, port: number, hears: Hears) {
    this.hears = hears;
    this.messages = request.messages ?? [];
    this.answered = new Promise((resolve) => (this.tellAnswered = resolve));
    opened += 1;
    const localAddress = process.platform === 'linux' ? `127.0.0.${2 + (opened % ADDRESSES)}` : '127.0.0.1';
    this.socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    this.socket.write(requestText(request, port));
    this.socket.on('data', (data: Buffer) => this.read(data));
    this.socket.on('error', (error) => this.end(error.message));
    this.socket.on('close', () => this.end('the connection was closed'));
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Without a word. */
  cut(): void {
    this.isOver = true;
    this.socket.destroy();
  }

  private read(data: Buffer): void {
    if (this.isOver) return;
    const text = this.body.take(data.toString('latin1'));
    const { status } = this.body;
    if (status === 101) this.readSocket(text);
    else if (!OPEN_STATUS.has(status))
      this.end(status === 204 ? undefined : `the answer is ${status} ${text}`);
    else if (status !== 0) this.readBody(text);
  }

  private readBody(text: string): void {
    // The head alone is an answer, too: some candidates have nothing more to say for the moment.
    this.tellAnswered();
    if (text.startsWith(':')) this.beats += 1;
    if (text !== '') this.hears.text(text);
    if (this.body.isWhole) this.end(undefined);
  }

  private readSocket(text: string): void {
    if (this.frames === undefined) {
      this.frames = new SocketFrames(
        (message) => {
          this.tellAnswered();
          // What came in the same packet as the message at which it was cut has not been seen.
          if (!this.isOver) this.hears.text(message);
        },
        (payload) => {
          this.beats += 1;
          this.socket.write(pongFrame(payload));
        },
      );
      for (const message of this.messages) this.socket.write(textFrame(message));
      if (this.messages.length === 0) this.tellAnswered();
    }
    this.frames.take(text);
  }

  private end(problem: string | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.socket.destroy();
    this.tellAnswered();
    this.hears.ended(problem);
  }
}
