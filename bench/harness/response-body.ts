/** Reads an HTTP/1.1 response from a socket: its head, then its body without the framing of RFC 9112 §7.1. */
export class ResponseBody {
  status = 0;
  /** Names in small letters. */
  headers = new Map<string, string>();
  /** The body was ended by its framing, not by a broken connection. */
  isWhole = false;
  private head = '';
  private mode: 'head' | 'chunked' | 'counted' | 'open' = 'head';
  /** Of a chunk or a counted body: bytes that are still to come. */
  private left = 0;
  /** Begin of a chunk's line that has not come whole. */
  private line = '';

  /** The body's bytes in these of the connection, as latin1. */
  take(text: string): string {
    if (this.mode === 'head') return this.takeHead(text);
    if (this.mode === 'open') return text;
    if (this.mode === 'chunked') return this.takeChunks(text);
    this.left -= text.length;
    if (this.left <= 0) this.isWhole = true;
    return text;
  }

  private takeHead(text: string): string {
    this.head += text;
    const end = this.head.indexOf('\r\n\r\n');
    if (end < 0) return '';
    const [first = '', ...lines] = this.head.slice(0, end).split('\r\n');
    const rest = this.head.slice(end + 4);
    this.head = '';
    this.status = Number(first.split(' ')[1]);
    for (const line of lines) {
      const colon = line.indexOf(':');
      this.headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.chooseMode();
    return rest === '' ? '' : this.take(rest);
  }

  private chooseMode(): void {
    const length = this.headers.get('content-length');
    if (this.status === 101) this.mode = 'open';
    else if (this.headers.get('transfer-encoding')?.includes('chunked')) this.mode = 'chunked';
    else if (length !== undefined || this.status === 204) {
      this.mode = 'counted';
      this.left = Number(length ?? 0);
      this.isWhole = this.left === 0;
    } else this.mode = 'open';
  }

  private takeChunks(given: string): string {
    const text = this.line + given;
    this.line = '';
    let body = '';
    let at = 0;
    while (at < text.length) {
      if (this.left > 0) {
        const part = text.slice(at, at + this.left);
        // The last two bytes of what is counted are the line end after the chunk.
        body += part.slice(0, Math.max(0, Math.min(part.length, this.left - 2)));
        this.left -= part.length;
        at += part.length;
        continue;
      }
      const end = text.indexOf('\r\n', at);
      if (end < 0) {
        this.line = text.slice(at);
        break;
      }
      const size = Number.parseInt(text.slice(at, end), 16);
      at = end + 2;
      if (size > 0) this.left = size + 2;
      else if (size === 0) this.isWhole = true;
    }
    return body;
  }
}
