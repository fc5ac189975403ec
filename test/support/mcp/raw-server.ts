import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text as textOf } from 'node:stream/consumers';

interface Message {
  id?: number | string;
  method: string;
}

export type RawAnswer = (response: ServerResponse, id: Message['id'], request: IncomingMessage) => void;

/** A tool server written by hand, that does at each method what the test says: the reference server is too polite. */
export class RawServer {
  readonly asked: string[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly http = createServer((request, response) => void this.serve(request, response));

  constructor(private readonly answers: Record<string, RawAnswer>) {
    this.http.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.http.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}/mcp`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.http.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const { id, method } = JSON.parse(await textOf(request)) as Message;
    this.asked.push(method);
    const answer = this.answers[method] ?? POLITE[method];
    if (answer !== undefined) answer(response, id, request);
    else if (id === undefined) response.writeHead(202).end();
    else json({ error: { code: -32601, message: 'Method not found' } })(response, id, request);
  }
}

/** A JSON-RPC answer as JSON. */
export function json(body: object): RawAnswer {
  return (response, id) =>
    void response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id, ...body }));
}

/** A stream that has begun; the test goes on with it. */
export function stream(then: (response: ServerResponse, id: Message['id']) => void): RawAnswer {
  return (response, id) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    then(response, id);
  };
}

const POLITE: Record<string, RawAnswer> = {
  initialize: json({
    result: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'raw', version: '1' },
    },
  }),
  'tools/list': json({ result: { tools: [{ name: 'act', inputSchema: { type: 'object' } }] } }),
};
