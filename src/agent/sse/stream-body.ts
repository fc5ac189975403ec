import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Frames } from '../view-plan.js';
import { contentsOf } from './sse-frames.js';

/**
 * Body of a response whose headers are out. Node's `response.write` frames each chunk anew for each viewer: three
 * pieces, gathered at the end of the turn. Chunks that are framed once for all go to the connection as they are, one
 * write each; where the body is not chunked (HTTP/1.0, HEAD) or waits for its turn, their content goes the usual way.
 */
export class StreamBody {
  constructor(private readonly response: ServerResponse) {}

  /** @returns whether there is room for more. */
  write(...chunks: readonly Frames[]): boolean {
    const { response } = this;
    const { socket } = response;
    let hasRoom = true;
    if (socket === null || !response.chunkedEncoding || response.writableEnded) {
      for (const chunk of chunks)
        for (const content of contentsOf(chunk)) hasRoom = response.write(content) && hasRoom;
      return hasRoom;
    }
    // Node has ended it, as for a peer that sends nothing more: what is written now would break off what waits.
    if (!socket.writable) return true;
    if (chunks.length > 1) socket.cork();
    for (const chunk of chunks) hasRoom = socket.write(chunk);
    if (chunks.length > 1) socket.uncork();
    return hasRoom;
  }

  /** Bytes that wait for the peer. */
  get waiting(): number {
    return this.response.writableLength;
  }

  /** Bytes that this connection's peer, or the kernel for it, has taken. */
  get taken(): number {
    const { socket } = this.response;
    return socket === null ? 0 : socket.bytesWritten - socket.writableLength;
  }

  get needsDrain(): boolean {
    return this.response.writableNeedDrain || this.response.socket?.writableNeedDrain === true;
  }

  /** @returns when there is room again, or the signal is aborted. */
  async drained(signal: AbortSignal): Promise<void> {
    const { response } = this;
    if (!this.needsDrain) return;
    // The connection's comes first, and the response's in the same moment.
    const source = response.writableNeedDrain ? response : (response.socket ?? response);
    await once(source, 'drain', { signal }).catch((error: unknown) => {
      // A peer that is gone says so here first.
      if (!signal.aborted && !source.destroyed) throw error;
    });
  }
}
