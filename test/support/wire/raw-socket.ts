import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { within } from '../until.js';
import { rawRequest } from './raw-http.js';

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
export const HANDSHAKE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', KEY];

export interface FrameShape {
  masked?: boolean;
  fin?: boolean;
  rsv?: number;
  /** The length that the frame says it has. */
  says?: number;
}

/** One frame of RFC 6455 §5.2 with a mask of zeros, right or wrong. */
export function frame(opcode: number, payload: string | Uint8Array = '', shape: FrameShape = {}): Buffer {
  const body = Buffer.from(payload as string);
  const { masked = true, fin = true, rsv = 0, says = body.length } = shape;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  const head = says < 126 ? Buffer.from([first, mask | says]) : Buffer.alloc(says < 65_536 ? 4 : 10);
  if (says >= 126) {
    head[0] = first;
    head[1] = mask | (says < 65_536 ? 126 : 127);
    if (says < 65_536) head.writeUInt16BE(says, 2);
    else head.writeBigUInt64BE(BigInt(says), 2);
  }
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), body]);
}

/** A socket after its handshake, of which every byte that goes out is the test's. */
export class RawSocket {
  /** Texts that came, one a frame. */
  readonly texts: string[] = [];
  readonly closed: Promise<number>;
  private rest = Buffer.alloc(0);
  private code = 1006;

  private constructor(readonly socket: Socket) {
    this.closed = once(socket, 'close').then(() => this.code);
    socket.on('error', () => socket.destroy());
  }

  /** @param headers beside those of the handshake, like the credentials. */
  static async open(url: string, headers: string[]): Promise<RawSocket> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(rawRequest(url, 'GET /api/agent/ws HTTP/1.1', [...HANDSHAKE, ...headers]));
    const [first] = (await within(10_000, 'the handshake', once(socket, 'data'))) as [Buffer];
    const end = first.indexOf('\r\n\r\n');
    if (!first.toString('latin1').startsWith('HTTP/1.1 101 '))
      throw new Error(`no upgrade: ${first.toString()}`);
    const opened = new RawSocket(socket);
    opened.take(first.subarray(end + 4));
    socket.on('data', (bytes: Buffer) => opened.take(bytes));
    return opened;
  }

  send(frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The code with which the server says goodbye; 1006 when it just goes. */
  closeCode(ms = 10_000): Promise<number> {
    return within(ms, 'the socket to be closed', this.closed);
  }

  private take(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (;;) {
      const [first = 0, second = 0] = this.rest;
      const short = second & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (this.rest.length < head) return;
      const length =
        short < 126
          ? short
          : short === 126
            ? this.rest.readUInt16BE(2)
            : Number(this.rest.readBigUInt64BE(2));
      if (this.rest.length < head + length) return;
      this.heard(first & 0x0f, this.rest.subarray(head, head + length));
      this.rest = this.rest.subarray(head + length);
    }
  }

  private heard(opcode: number, payload: Buffer): void {
    if (opcode === 1) this.texts.push(payload.toString());
    if (opcode !== 8) return;
    this.code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    this.socket.end(frame(8, payload.subarray(0, 2)));
  }
}
