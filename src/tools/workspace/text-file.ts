import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { ToolError } from '../tool-error.js';

/** A file as it was read, whole. */
export interface TextFile {
  text: string;
  sha256: string;
  bytes: number;
}

const CHUNK_BYTES = 64 * 1024;

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Reads an open file as UTF-8; a byte order mark stays part of the text, so that writing it again gives the same
 * bytes. Ends soon after the signal is aborted.
 * @throws ToolError when it has more than `maxBytes` bytes, or is no text: not UTF-8, or with a NUL in it.
 */
export async function readText(
  handle: FileHandle,
  shown: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<TextFile> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const hash = createHash('sha256');
  const texts: string[] = [];
  let bytes = 0;
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw noText(shown, cause);
    }
  };
  for await (const chunk of chunksOf(handle, signal)) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ToolError(`${JSON.stringify(shown)} is larger than ${maxBytes} bytes.`);
    if (chunk.includes(0)) throw noText(shown);
    hash.update(chunk);
    texts.push(decode(chunk));
  }
  texts.push(decode());
  return { text: texts.join(''), sha256: hash.digest('hex'), bytes };
}

/** Hash of an open file, whatever is in it. */
export async function hashOf(handle: FileHandle, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunksOf(handle, signal)) hash.update(chunk);
  return hash.digest('hex');
}

/** Each chunk is good until the next one. */
async function* chunksOf(handle: FileHandle, signal: AbortSignal): AsyncGenerator<Buffer> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  while (true) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return;
    yield chunk.subarray(0, bytesRead);
  }
}

/** Text that a file may get: what it is read as again, to the byte. @throws ToolError */
export function encodeText(text: string, shown: string, maxBytes: number): Buffer {
  if (text.includes('\0') || !text.isWellFormed()) throw noText(shown);
  // A UTF-16 unit takes at least one byte: a far too long text is not encoded first.
  const bytes = text.length > maxBytes ? undefined : Buffer.from(text);
  if (bytes === undefined || bytes.length > maxBytes) {
    throw new ToolError(`A file of the workspace is written with ${maxBytes} bytes at most.`);
  }
  return bytes;
}

function noText(shown: string, cause?: unknown): ToolError {
  return new ToolError(
    `${JSON.stringify(shown)} is not a text in UTF-8: the workspace tools work with text only.`,
    { cause },
  );
}
