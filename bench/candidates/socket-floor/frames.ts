/** Events in the form and length in which the server sends them, so that the same bytes are compared. */
export interface Event {
  sse: string;
  json: string;
}

const RUN = 'run_01jbench0000000000000000ff';
export const HTTP_END = Buffer.from('0\r\n\r\n');

export function eventOf(type: string, number: number, data: object): Event {
  const id = `${RUN}.1.${number}`;
  const text = JSON.stringify(data);
  return {
    sse: `id: ${id}\nevent: ${type}\ndata: ${text}\n\n`,
    json: `{"event":"${type}","id":"${id}","data":${text}}`,
  };
}

/** As RFC 9112 §7.1 frames it. */
export function httpChunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

/** Text frames of a server, not masked (RFC 6455 §5.2). */
export function framesOf(messages: string[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => [headOf(Buffer.byteLength(message)), Buffer.from(message)]),
  );
}

function headOf(length: number): Buffer {
  if (length < 126) return Buffer.from([0x81, length]);
  if (length < 65_536) return Buffer.from([0x81, 126, length >> 8, length & 255]);
  const head = Buffer.alloc(10);
  head.set([0x81, 127]);
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** Reads the texts of `text_delta` from parts of a model's stream. */
export function textsOf(): (part: string) => string[] {
  let rest = '';
  return (part) => {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    return lines
      .filter((line) => line.includes('"text_delta"'))
      .map((line) => (JSON.parse(line.slice('data: '.length)) as { delta: { text: string } }).delta.text);
  };
}
