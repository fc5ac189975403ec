import { setTimeout as delay } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';
import { SdkError, SdkErrorCode } from '@modelcontextprotocol/client';
import { hasCode } from '../../errors/app-error.js';
import { ToolError } from '../tool-error.js';
import { Bell } from './bell.js';
import { callFailure } from './call-failure.js';
import type { StdioTimes } from './stdio-transport.js';
import { readDefinitions, type ToolDefinition } from './tool-definition.js';
import { toolResult } from './tool-result.js';
import type { ToolServer } from './tool-servers.js';
import { listTools, openSession, type SessionListener, type ToolSession } from './tool-session.js';

/** What a connection needs of the rest. */
export interface ConnectionPorts {
  /** Notes what the tools say of themselves. @returns the accepted fingerprint by tool. */
  see(server: string, tools: readonly ToolDefinition[]): Promise<Map<string, string>>;
  /** The accepted tools of this connection, in the place of those before; none while the server is away. */
  offer(connection: ToolConnection, tools: readonly ToolDefinition[]): void;
  log(level: 'log' | 'warn', message: string): void;
}

export interface ConnectionTimes extends StdioTimes {
  /** Between two looks at the list of a server that says nothing of changes. */
  refreshMs: number;
  /** The first pause before it is tried again; each further one is twice as long. */
  firstPauseMs: number;
  mostPauseMs: number;
}

const TIMES: ConnectionTimes = { refreshMs: 30_000, firstPauseMs: 500, mostPauseMs: 60_000, graceMs: 1_000 };
/** Between two looks, however often a server says that something has changed. */
const REST_MS = 1_000;
/** A server that lasted so long is not one that fails at its start. */
const STABLE_MS = 30_000;
/** Time is up by the caller's signal only; progress prolongs nothing. */
const NO_TIMEOUT = 2_147_483_647;

/** One tool server: connected for as long as it can be, and again after a pause when it is lost. */
export class ToolConnection {
  private readonly closing = new AbortController();
  private readonly tried = Promise.withResolvers<void>();
  private session: ToolSession | undefined;
  private listed = new Map<string, ToolDefinition>();
  private accepted = new Map<string, string>();
  private inFlight = 0;
  private said = '';
  private readonly bell = new Bell();
  private working: Promise<void> = Promise.resolve();

  constructor(
    readonly server: ToolServer,
    private readonly ports: ConnectionPorts,
    private readonly times: ConnectionTimes = TIMES,
  ) {}

  /** Resolved when the first try has ended, well or not. */
  get firstTry(): Promise<void> {
    return this.tried.promise;
  }

  start(): void {
    this.working = this.work();
  }

  /** Looks at the list again, soon. */
  refresh(): void {
    this.bell.ring();
  }

  /** Ends the connection for good; a child process is gone when this resolves. */
  async close(): Promise<void> {
    this.closing.abort();
    this.bell.ring();
    await this.working;
  }

  /**
   * Calls a tool that was offered with this fingerprint.
   * @throws ToolError when it was not called or says that it failed, OutcomeUnknown when its answer was lost.
   */
  async call(offered: ToolDefinition, args: unknown, signal: AbortSignal): Promise<unknown> {
    const { name, inputSchema } = offered;
    const { session } = this;
    if (session === undefined)
      throw new ToolError(`The tool server "${this.server.name}" is not connected now.`);
    this.requireUnchanged(offered);
    this.inFlight += 1;
    try {
      const result = await session.client.callTool(
        { name, arguments: args as Record<string, unknown> },
        {
          signal,
          timeout: NO_TIMEOUT,
          // Spares the SDK a look at the list, and its check of results by a schema that the server wrote.
          toolDefinition: { name, inputSchema: { ...inputSchema, type: 'object' } },
        },
      );
      return toolResult(result);
    } catch (error) {
      // Perhaps the server is gone: it is looked at now and not only when it is time.
      if (!(error instanceof ToolError)) this.bell.ring();
      throw callFailure(this.server.name, error);
    } finally {
      this.inFlight -= 1;
    }
  }

  private requireUnchanged({ name, fingerprint }: ToolDefinition): void {
    const now = this.listed.get(name);
    if (now === undefined)
      throw new ToolError(`The tool server "${this.server.name}" does not offer "${name}" any more.`);
    if (now.fingerprint !== fingerprint || this.accepted.get(name) !== fingerprint) {
      throw new ToolError(
        `The tool "${name}" of the server "${this.server.name}" describes itself differently than before. ` +
          'It is blocked until an administrator has accepted that.',
      );
    }
  }

  private async work(): Promise<void> {
    for (let failures = 0; !this.closing.signal.aborted; failures += 1) {
      const began = performance.now();
      const reason = await this.connected();
      if (this.closing.signal.aborted) return;
      this.ports.log('warn', reason);
      if (performance.now() - began > STABLE_MS) failures = 0;
      await this.rest(pauseOf(failures, this.times));
    }
  }

  /** One connection from its begin to its end. @returns why it ended. */
  private async connected(): Promise<string> {
    let session: ToolSession | undefined;
    const lost = new AbortController();
    try {
      session = await openSession(this.server, this.listener, this.times, this.closing.signal);
      void session.closed.then(() => lost.abort()).finally(() => this.bell.ring());
      this.session = session;
      await this.look(session);
      this.ports.log('log', `connected, ${this.listed.size} tools`);
      this.tried.resolve();
      const end = AbortSignal.any([lost.signal, this.closing.signal]);
      while (!end.aborted) await this.lookAgain(session, end);
      return 'the connection was lost';
    } catch (error) {
      return `the connection failed: ${messageOf(error)}`;
    } finally {
      this.tried.resolve();
      this.withdraw();
      await session?.client.close().catch((error: unknown) => this.ports.log('warn', messageOf(error)));
    }
  }

  private get listener(): SessionListener {
    return {
      onChanged: () => this.bell.ring(),
      onLine: (line) => this.ports.log('log', `stderr: ${line}`),
    };
  }

  private async lookAgain(session: ToolSession, end: AbortSignal): Promise<void> {
    await this.bell.heard(this.times.refreshMs);
    if (end.aborted) return;
    try {
      await this.look(session);
    } catch (error) {
      if (end.aborted || !this.mayWait(error)) throw error;
      this.ports.log('warn', `the list of tools could not be read: ${messageOf(error)}`);
    }
    await this.rest(Math.min(REST_MS, this.times.refreshMs));
  }

  /** Our database is away, or the server is busy with calls: no reason to cut their connection. */
  private mayWait(error: unknown): boolean {
    const isLate = error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout;
    return hasCode(error, 'unavailable') || (isLate && this.inFlight > 0);
  }

  private async look(session: ToolSession): Promise<void> {
    const { definitions, problems } = readDefinitions(
      this.server,
      await listTools(session, this.closing.signal),
    );
    const accepted = await this.ports.see(this.server.name, definitions);
    const offered = definitions.filter(({ name, fingerprint }) => accepted.get(name) === fingerprint);
    for (const { name } of definitions.filter((definition) => !offered.includes(definition)))
      problems.push(`"${name}" is blocked: it waits for an administrator to accept its description`);
    const isSame =
      offered.length === this.offeredNow().length &&
      offered.every(({ name, fingerprint }) => this.isOffered(name, fingerprint));
    this.listed = new Map(definitions.map((definition) => [definition.name, definition]));
    this.accepted = accepted;
    this.tell(problems);
    if (!isSame) this.ports.offer(this, offered);
  }

  private offeredNow(): ToolDefinition[] {
    return [...this.listed.values()].filter(
      ({ name, fingerprint }) => this.accepted.get(name) === fingerprint,
    );
  }

  private isOffered(name: string, fingerprint: string): boolean {
    return this.listed.get(name)?.fingerprint === fingerprint && this.accepted.get(name) === fingerprint;
  }

  private withdraw(): void {
    this.session = undefined;
    const wasOffered = this.offeredNow().length > 0;
    this.listed = new Map();
    if (wasOffered) this.ports.offer(this, []);
  }

  /** Once, not at every look. */
  private tell(problems: readonly string[]): void {
    const text = problems.slice(0, 20).join('; ');
    if (text !== '' && text !== this.said) this.ports.log('warn', text);
    this.said = text;
  }

  private async rest(milliseconds: number): Promise<void> {
    // Aborted when this connection is closed, which the caller looks at.
    await delay(milliseconds, undefined, { signal: this.closing.signal }).catch(() => undefined);
  }
}

/** Exponential, with jitter: many nodes do not come back in one moment. */
function pauseOf(failures: number, { firstPauseMs, mostPauseMs }: ConnectionTimes): number {
  const longest = Math.min(mostPauseMs, firstPauseMs * 2 ** Math.min(failures, 20));
  return longest / 2 + (Math.random() * longest) / 2;
}

/** For the operator: the innermost cause says most. */
function messageOf(error: unknown): string {
  const messages: string[] = [];
  for (let cause = error; isNativeError(cause) && messages.length < 4; cause = cause.cause)
    if (!messages.includes(cause.message)) messages.push(cause.message);
  return messages.join(': ').slice(0, 500) || 'for a reason that it does not say';
}
