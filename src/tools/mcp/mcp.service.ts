import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { z } from 'zod';
import type { Owner } from '../../auth/principal.js';
import { DEFAULT_TENANT } from '../../auth/user.js';
import { AppError } from '../../errors/app-error.js';
import { ToolRegistry } from '../tool-registry.js';
import type { RegisteredTool } from '../tool.js';
import { type KnownTool, McpToolRepository } from './mcp-tool.repository.js';
import { mcpConfig, type McpConfig } from './mcp.config.js';
import type { ConnectionPorts, ToolConnection } from './tool-connection.js';
import type { ToolDefinition } from './tool-definition.js';

/** A tool of a server as administrators see it. Descriptions are JSON: name, description, schema, annotations. */
export interface McpToolView {
  server: string;
  tool: string;
  /** `changed`: describes itself differently than accepted, so it is not offered. `blocked`: was never accepted. */
  state: 'accepted' | 'changed' | 'blocked';
  fingerprint: string;
  description: unknown;
  accepted_fingerprint: string | null;
  accepted_description: unknown;
  /** Null where the first sight was trusted. */
  accepted_by: string | null;
  accepted_at: string | null;
  seen_at: string;
}

/** What an administrator has read and accepts. */
export interface AcceptedTool {
  server: string;
  tool: string;
  fingerprint: string;
}

/** How long the start waits for tool servers; those that come later are offered to later runs. */
const FIRST_WAIT_MS = 2_000;
/** The arguments are the server's to check: it knows what its schema means. */
const ANY_ARGUMENTS = z.looseObject({});

/** The tool servers of the configuration: their connections, and which of their tools are offered. */
@Injectable()
export class Mcp implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Mcp.name);
  private connections: ToolConnection[] = [];
  private stopListening: () => void = () => {};

  constructor(
    @Inject(mcpConfig.KEY) private readonly config: McpConfig,
    private readonly registry: ToolRegistry,
    private readonly tools: McpToolRepository,
  ) {}

  /** Before runs are claimed: the modules of those come after this one. Never fails the start. */
  async onApplicationBootstrap(): Promise<void> {
    const { servers } = this.config;
    if (servers.length === 0) return;
    // Only where it is needed: the SDK takes 14 MB.
    const { ToolConnection } = await import('./tool-connection.js');
    this.connections = servers.map((server) => new ToolConnection(server, this.portsFor(server.name)));
    this.stopListening = this.tools.onAccepted((server) => this.refresh(server));
    for (const connection of this.connections) connection.start();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FIRST_WAIT_MS);
    await Promise.race([promise, Promise.all(this.connections.map(({ firstTry }) => firstTry))]);
    clearTimeout(timer);
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopListening();
    await Promise.all(this.connections.map((connection) => connection.close()));
  }

  /** @throws AppError `forbidden` for administrators of one tenant: tool servers are everybody's. */
  async list(admin: Owner): Promise<McpToolView[]> {
    requireOperator(admin);
    return (await this.tools.list()).map(toView);
  }

  /**
   * Accepts what a tool says of itself now. Other nodes hear of it, or find it at their next look.
   * @throws AppError `forbidden` as `list`, `not_found`, or `conflict` when it is not `fingerprint` any more.
   */
  async accept(admin: Owner, { server, tool, fingerprint }: AcceptedTool): Promise<McpToolView> {
    requireOperator(admin);
    const isAccepted = await this.tools.accept(server, tool, fingerprint, admin.userId);
    const known = await this.tools.find(server, tool);
    if (known === undefined) throw new AppError('not_found', 'There is no such tool. Check server and tool.');
    if (!isAccepted)
      throw new AppError('conflict', 'The tool describes itself differently by now. Read the list again.');
    this.logger.log({ server, tool, fingerprint, user_id: admin.userId }, 'A changed tool was accepted');
    this.refresh(server);
    return toView(known);
  }

  private refresh(server?: string): void {
    for (const connection of this.connections)
      if (server === undefined || connection.server.name === server) connection.refresh();
  }

  private portsFor(name: string): ConnectionPorts {
    return {
      see: (server, tools) => this.tools.see(server, tools),
      offer: (connection, tools) => this.offer(connection, tools),
      log: (level, message) => this.logger[level]({ server: name }, `Tool server ${name}: ${message}`),
    };
  }

  private offer(connection: ToolConnection, tools: readonly ToolDefinition[]): void {
    const { name } = connection.server;
    const offered = tools.map((tool) => toTool(connection, tool));
    const problems = this.registry.replaceGroup(`the tool server "${name}"`, offered);
    for (const problem of problems) this.logger.warn({ server: name }, `Left out: ${problem}`);
  }
}

function requireOperator({ tenantId }: Owner): void {
  if (tenantId !== DEFAULT_TENANT)
    throw new AppError('forbidden', 'Tool servers are for administrators of the tenant "default".');
}

function toTool(connection: ToolConnection, definition: ToolDefinition): RegisteredTool {
  const { server } = connection;
  const { name, offeredAs, description, inputSchema } = definition;
  return {
    options: {
      name: offeredAs,
      description,
      input: ANY_ARGUMENTS,
      idempotent: server.idempotent.includes(name),
      approval: server.approval(name),
      ...(server.timeoutMs === undefined ? {} : { timeoutMs: server.timeoutMs }),
    },
    inputSchema,
    call: (args, { signal }) => connection.call(definition, args, signal),
  };
}

function toView(row: KnownTool): McpToolView {
  const { fingerprint, accepted_fingerprint: accepted } = row;
  return {
    server: row.server,
    tool: row.tool,
    state: accepted === null ? 'blocked' : accepted === fingerprint ? 'accepted' : 'changed',
    fingerprint,
    description: JSON.parse(row.description) as unknown,
    accepted_fingerprint: accepted,
    accepted_description:
      row.accepted_description === null ? null : (JSON.parse(row.accepted_description) as unknown),
    accepted_by: row.accepted_by,
    accepted_at: row.accepted_at === null ? null : new Date(row.accepted_at).toISOString(),
    seen_at: new Date(row.seen_at).toISOString(),
  };
}
