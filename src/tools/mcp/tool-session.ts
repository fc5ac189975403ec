import { Client, SdkError, SdkErrorCode, type Tool, type Transport } from '@modelcontextprotocol/client';
import { AddressGuard } from '../address-guard.js';
import { HttpTransport } from './http-transport.js';
import { type StdioTimes, StdioTransport } from './stdio-transport.js';
import type { ToolServer } from './tool-servers.js';

/** A connection to a tool server on which the handshake is done. */
export interface ToolSession {
  client: Client;
  /** Resolved when the connection has ended, for whatever reason. */
  closed: Promise<void>;
}

export interface SessionListener {
  /** The server says that its tools have changed. */
  onChanged(): void;
  /** What a child process writes to stderr, bounded. */
  onLine(line: string): void;
}

/** For everything of a handshake, and for a whole list of tools. */
const DEADLINE_MS = 30_000;
/** An old server may be silent when it is asked for something new. */
const PROBE_MS = 10_000;
const DEBOUNCE_MS = 100;
/** Entries that are read of a list; a server that offers more is misled or misleading. */
const MAX_LISTED = 2_000;
const MAX_PAGES = 64;
const IDENTITY = { name: 'agentline', version: '1' };

/**
 * Connects to a tool server, in the newest protocol that both speak.
 * Asks for no capability: the server gets no files, no model and no user of ours.
 * @throws what went wrong, or the reason of `signal`; the connection is closed then.
 */
export async function openSession(
  server: ToolServer,
  listener: SessionListener,
  times: StdioTimes,
  signal: AbortSignal,
): Promise<ToolSession> {
  const transport = (): Transport => transportTo(server, listener, times);
  try {
    return await connect(transport(), listener, 'auto', signal);
  } catch (error) {
    if (server.endpoint.kind !== 'stdio' || signal.aborted) throw error;
    // Some old servers end when the first thing they are asked is not `initialize`.
    return connect(transport(), listener, 'legacy', signal);
  }
}

async function connect(
  transport: Transport,
  listener: SessionListener,
  mode: 'auto' | 'legacy',
  signal: AbortSignal,
): Promise<ToolSession> {
  const client = new Client(IDENTITY, {
    versionNegotiation: { mode, probe: { timeoutMs: PROBE_MS } },
    inputRequired: { autoFulfill: false },
    listChanged: {
      tools: { autoRefresh: false, debounceMs: DEBOUNCE_MS, onChanged: () => listener.onChanged() },
    },
  });
  const closed = Promise.withResolvers<void>();
  // Clients of the SDK are no event targets.
  // oxlint-disable-next-line unicorn/prefer-add-event-listener
  client.onclose = () => closed.resolve();
  try {
    await inTime(client.connect(transport, { timeout: DEADLINE_MS }), signal);
  } catch (error) {
    await transport.close();
    throw error;
  }
  return { client, closed: closed.promise };
}

function transportTo({ endpoint }: ToolServer, listener: SessionListener, times: StdioTimes): Transport {
  return endpoint.kind === 'http'
    ? new HttpTransport(endpoint, new AddressGuard({ inside: endpoint.allowPrivate }))
    : new StdioTransport(endpoint, (line) => listener.onLine(line), times);
}

/** The tools that the server offers, a bounded number of them. */
export async function listTools({ client }: ToolSession, signal: AbortSignal): Promise<Tool[]> {
  if (client.getServerCapabilities()?.tools === undefined) return [];
  return inTime(allPages(client), signal);
}

async function allPages(client: Client): Promise<Tool[]> {
  const tools: Tool[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES && tools.length < MAX_LISTED; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const listed = await client.request({ method: 'tools/list', params }, { timeout: DEADLINE_MS });
    tools.push(...listed.tools.slice(0, MAX_LISTED - tools.length));
    cursor = listed.nextCursor;
    if (cursor === undefined) break;
  }
  return tools;
}

/** Each step has a time of its own, but not each of them can be aborted. */
async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = new SdkError(SdkErrorCode.RequestTimeout, `no answer within ${DEADLINE_MS} ms`);
  const timer = setTimeout(() => reject(late), DEADLINE_MS);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
