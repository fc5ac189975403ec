import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import {
  type CallToolResult,
  createMcpHandler,
  Server,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';

/** A tool of the reference server; `signal` is aborted when the caller gives up. */
export interface ReferenceTool {
  name: string;
  description?: string;
  inputSchema?: Record<string, unknown>;
  annotations?: Record<string, unknown>;
  run?: (args: Record<string, unknown>, signal: AbortSignal) => CallToolResult | Promise<CallToolResult>;
}

/** The protocol of 2026 (one request, one answer, no session), or the one before it with sessions. */
export type Era = 'modern' | 'sessions';

/** The server of the reference SDK behind Node's HTTP, on loopback. Its tools may be changed at any time. */
export class ReferenceServer {
  readonly calls: string[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  connections = 0;
  private readonly sockets = new Set<Socket>();
  private readonly sessions = new Map<
    string,
    { server: Server; transport: WebStandardStreamableHTTPServerTransport }
  >();
  private readonly modern = createMcpHandler(() => this.instance(), { legacy: 'reject', keepAliveMs: 0 });
  private readonly http = createServer((request, response) => void this.serve(request, response));

  constructor(
    public tools: ReferenceTool[],
    private readonly era: Era = 'modern',
  ) {
    this.http.on('connection', (socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** @param port 0: any. */
  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.http.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/mcp`;
  }

  /** Tells whoever has subscribed that the list of tools is another one. */
  async announce(): Promise<void> {
    this.modern.notify.toolsChanged();
    for (const { server } of this.sessions.values()) await server.sendToolListChanged();
  }

  /** As a process that dies: every connection breaks, sessions are forgotten. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => this.http.close(resolve));
    for (const socket of this.sockets) socket.resetAndDestroy();
    this.sessions.clear();
    await closed;
  }

  /** As after a restart behind a proxy: the connections hold, the sessions are unknown. */
  forget(): void {
    this.sessions.clear();
  }

  private instance(): Server {
    const server = new Server(
      { name: 'reference', version: '1' },
      { capabilities: { tools: { listChanged: true } } },
    );
    server.setRequestHandler('tools/list', () => ({
      tools: this.tools.map(({ name, description, inputSchema, annotations }) => ({
        name,
        description,
        annotations,
        inputSchema: { type: 'object' as const, ...inputSchema },
      })),
    }));
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      this.calls.push(params.name);
      const tool = this.tools.find(({ name }) => name === params.name);
      if (tool === undefined) throw new Error(`no tool ${params.name}`);
      return (await tool.run?.(params.arguments ?? {}, mcpReq.signal)) ?? { content: [] };
    });
    return server;
  }

  private async serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    this.headers.push(incoming.headers);
    const gone = new AbortController();
    outgoing.once('close', () => gone.abort());
    const answer = await this.answer(toRequest(incoming, this.url, gone.signal));
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).flushHeaders();
    if (answer.body === null) outgoing.end();
    else
      Readable.fromWeb(answer.body)
        .on('error', () => outgoing.destroy())
        .pipe(outgoing);
  }

  private async answer(request: Request): Promise<Response> {
    if (this.era === 'modern') return this.modern.fetch(request);
    const id = request.headers.get('mcp-session-id');
    const known = id === null ? undefined : this.sessions.get(id);
    if (known !== undefined) return known.transport.handleRequest(request);
    if (id !== null) return new Response('no such session', { status: 404 });
    const server = this.instance();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (sessionId) => void this.sessions.set(sessionId, { server, transport }),
      keepAliveMs: 0,
    });
    await server.connect(transport);
    return transport.handleRequest(request);
  }
}

function toRequest(incoming: IncomingMessage, url: string, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
  const { method = 'GET' } = incoming;
  if (method === 'GET' || method === 'DELETE') return new Request(url, { method, headers, signal });
  const body = Readable.toWeb(incoming) as ReadableStream;
  return new Request(url, { method, headers, body, signal, duplex: 'half' });
}

export const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] });
