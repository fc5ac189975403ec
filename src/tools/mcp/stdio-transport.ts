import { type ChildProcess, spawn } from 'node:child_process';
import {
  deserializeMessage,
  type JSONRPCMessage,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import type { StdioEndpoint } from './tool-servers.js';

/** One message. */
const MAX_BYTES = 8 * 1024 * 1024;
const LF = 0x0a;
const MAX_LINE = 1_000;
/** Lines of stderr that are handed on in a window of `WINDOW_MS`; the rest is counted. */
const MAX_LINES = 20;
const WINDOW_MS = 10_000;

export interface StdioTimes {
  /** Milliseconds for the child to end by itself when its input ends, and then again after SIGTERM. */
  graceMs: number;
}

/**
 * A tool server as a child process (MCP, stdio). Unlike the SDK's transport it hands on nothing of our environment,
 * and the child has a process group of its own: what it has started ends with it.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** The SDK knows by this, and by `pid`, that a silent server is an old one and not away. */
  readonly stderr = null;
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private readonly lines = new LineBuffer();

  /** @param hear gets what the child writes to stderr, line by line and bounded. */
  constructor(
    private readonly endpoint: StdioEndpoint,
    private readonly hear: (line: string) => void,
    private readonly times: StdioTimes,
  ) {}

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  start(): Promise<void> {
    const { command, args, env, cwd } = this.endpoint;
    const child = spawn(command, args, { env, cwd, shell: false, detached: true, stdio: 'pipe' });
    this.child = child;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.ended = ended;
    child.stdin.on('error', (error) => this.onerror?.(error));
    child.stdout.on('data', (chunk: Buffer) => this.read(chunk));
    child.stdout.on('error', (error) => this.onerror?.(error));
    hearLines(child, this.hear);
    child.once('exit', () => {
      // Whatever it has started and left behind.
      signal(child, 'SIGKILL');
      end();
    });
    return new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => {
        this.onerror?.(error);
        end();
        this.closed(child);
        reject(error);
      });
      // Its pipes are closed: all it has said was read.
      child.once('close', () => this.closed(child));
    });
  }

  send(message: JSONRPCMessage): Promise<void> {
    const input = this.child?.stdin;
    if (input == null || !input.writable) return Promise.reject(new Error('The tool server is not running.'));
    return new Promise((resolve, reject) => {
      input.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Ends the input, then SIGTERM, then SIGKILL to all of its group. */
  async close(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    child.stdin?.end();
    if (!(await this.endsIn(this.times.graceMs))) {
      signal(child, 'SIGTERM');
      if (!(await this.endsIn(this.times.graceMs))) signal(child, 'SIGKILL');
      await this.endsIn(this.times.graceMs);
    }
    child.stdout?.destroy();
    child.stderr?.destroy();
    this.closed(child);
  }

  private read(chunk: Buffer): void {
    for (const line of this.lines.add(chunk)) {
      try {
        this.onmessage?.(deserializeMessage(line));
      } catch (error) {
        // No JSON, or no message: the next line may be one.
        this.onerror?.(asError(error));
      }
    }
    if (this.lines.length > MAX_BYTES)
      this.fail(new Error(`The tool server sent a message of more than ${MAX_BYTES} bytes.`));
  }

  private fail(error: Error): void {
    this.lines.clear();
    this.onerror?.(error);
    if (this.child !== undefined) signal(this.child, 'SIGKILL');
  }

  private closed(child: ChildProcess): void {
    if (this.child !== child) return;
    this.child = undefined;
    this.lines.clear();
    this.onclose?.();
  }

  private async endsIn(milliseconds: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), milliseconds);
    const ended = await Promise.race([this.ended.then(() => true), promise]);
    clearTimeout(timer);
    return ended;
  }
}

/** Bytes until they are whole lines. Unlike the SDK's `ReadBuffer` it looks at each byte once. */
class LineBuffer {
  /** Bytes of the line that has no end yet. */
  length = 0;
  private chunks: Buffer[] = [];

  add(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
      this.keep(chunk.subarray(from, end));
      lines.push(Buffer.concat(this.chunks).toString());
      this.clear();
      from = end + 1;
    }
    this.keep(chunk.subarray(from));
    return lines;
  }

  clear(): void {
    this.chunks = [];
    this.length = 0;
  }

  private keep(part: Buffer): void {
    this.chunks.push(part);
    this.length += part.length;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** To the whole group; it is gone when there is nobody left in it. */
function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    // EPERM: one of them has another user by now.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function hearLines({ stderr }: ChildProcess, hear: (line: string) => void): void {
  if (stderr === null) return;
  let since = 0;
  let count = 0;
  let rest = '';
  const say = (line: string): void => {
    const now = performance.now();
    if (count === 0 || now - since > WINDOW_MS) {
      if (count > MAX_LINES) hear(`(${count - MAX_LINES} more lines)`);
      since = now;
      count = 0;
    }
    count += 1;
    if (count <= MAX_LINES) hear(line.slice(0, MAX_LINE));
  };
  stderr.setEncoding('utf8');
  stderr.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    // A line without an end is cut.
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) if (line.trim() !== '') say(line);
  });
  stderr.on('error', () => undefined);
}
