import { EventEmitter, once } from 'node:events';
import { AppError } from '../../../src/errors/app-error.js';
import type { ConnectionTimes } from '../../../src/tools/mcp/tool-connection.js';
import { ToolConnection } from '../../../src/tools/mcp/tool-connection.js';
import type { ToolDefinition } from '../../../src/tools/mcp/tool-definition.js';
import { readServers } from '../../../src/tools/mcp/tool-servers.js';

/** One connection with what it offers and says; everything is trusted at first sight, as by the table. */
export class ConnectionBench {
  readonly lines: string[] = [];
  /** As many offers as were made. */
  readonly offers: string[][] = [];
  readonly accepted = new Map<string, string>();
  isDatabaseAway = false;
  readonly connection: ToolConnection;
  private tools: readonly ToolDefinition[] = [];
  private readonly news = new EventEmitter();

  constructor(config: Record<string, unknown>, times: Partial<ConnectionTimes> = {}) {
    const [server] = readServers('MCP_SERVERS', JSON.stringify({ far: config }), {
      PATH: process.env['PATH'],
    });
    this.connection = new ToolConnection(
      server!,
      {
        see: (_server, tools) => {
          if (this.isDatabaseAway)
            return Promise.reject(new AppError('unavailable', 'The database is away.'));
          for (const { name, fingerprint } of tools)
            if (!this.accepted.has(name)) this.accepted.set(name, fingerprint);
          return Promise.resolve(new Map(this.accepted));
        },
        offer: (_connection, tools) => {
          this.tools = tools;
          this.offers.push(tools.map(({ name }) => name));
          this.news.emit('news');
        },
        log: (_level, line) => {
          this.lines.push(line);
          this.news.emit('news');
        },
      },
      { refreshMs: 60_000, firstPauseMs: 20, mostPauseMs: 100, graceMs: 1_000, ...times },
    );
  }

  start(): Promise<void> {
    this.connection.start();
    return this.connection.firstTry;
  }

  find(name: string): ToolDefinition {
    const tool = this.tools.find((candidate) => candidate.name === name);
    if (tool === undefined) throw new Error(`${name} is not offered; said: ${this.lines.join(' | ')}`);
    return tool;
  }

  call(name: string, args: unknown = {}, signal = new AbortController().signal): Promise<unknown> {
    return this.connection.call(this.find(name), args, signal);
  }

  /** Waits until it holds. The test's own time is the limit. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this.news, 'news');
  }

  says(part: string): Promise<void> {
    return this.until(() => this.lines.some((line) => line.includes(part)));
  }

  offering(...names: string[]): Promise<void> {
    return this.until(() => this.offers.at(-1)?.join() === names.join());
  }
}
