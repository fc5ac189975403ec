/** Reads the frames of a server (RFC 6455 §5.2) from latin1 text, and makes those of a client. */
const TEXT = 1;
const PING = 9;

export class SocketFrames {
  private rest = '';
  private readonly onText: (text: string) => void;
  private readonly onPing: (payload: string) => void;

  constructor(onText: (text: string) => void, onPing: (payload: string) => void) {
    this.onText = onText;
    this.onPing = onPing;
  }

  take(part: string): void {
    const bytes = this.rest + part;
    let at = 0;
    for (;;) {
      const head = headAt(bytes, at);
      if (head === undefined || at + head.size + head.length > bytes.length) break;
      const payload = bytes.slice(at + head.size, at + head.size + head.length);
      if (head.opcode === PING) this.onPing(payload);
      else if (head.opcode <= TEXT) this.onText(payload);
      at += head.size + head.length;
    }
    this.rest = bytes.slice(at);
  }
}

interface Head {
  opcode: number;
  size: number;
  length: number;
}

function headAt(bytes: string, at: number): Head | undefined {
  if (bytes.length < at + 2) return undefined;
  const opcode = bytes.charCodeAt(at) & 15;
  const short = bytes.charCodeAt(at + 1) & 127;
  const size = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < at + size) return undefined;
  let length = short;
  if (size > 2) {
    length = 0;
    for (let index = at + 2; index < at + size; index += 1) length = length * 256 + bytes.charCodeAt(index);
  }
  return { opcode, size, length };
}

/** Masked with zeros, which leaves the payload as it is. */
export function textFrame(message: string): Buffer {
  return frame(0x81, Buffer.from(message));
}

export function pongFrame(payload: string): Buffer {
  return frame(0x8a, Buffer.from(payload, 'latin1'));
}

function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? [first, 0x80 | length] : [first, 0x80 | 126, (length >> 8) & 255, length & 255];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), payload]);
}
