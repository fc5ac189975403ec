import { Injectable } from '@nestjs/common';
import type { Selectable } from 'kysely';
import { Database } from '../../database/database.js';
import type { McpToolsTable } from '../../database/tool-tables.js';

/** A tool as it describes itself now. */
export interface SeenTool {
  name: string;
  fingerprint: string;
  text: string;
}

export type KnownTool = Selectable<McpToolsTable>;

/** Names that one server may ever have used: a server that makes up new ones must not fill the table. */
const MAX_TOOLS = 1_000;

/** The only SQL about tools of other servers: what they say of themselves, and what of it was accepted. */
@Injectable()
export class McpToolRepository {
  constructor(private readonly database: Database) {}

  /**
   * Notes how the tools of a server describe themselves. What is seen for the first time, on whichever node, is
   * accepted (trust on first use); a description that changes later waits for an administrator.
   * @returns the accepted fingerprint by tool; a tool that is not there is not accepted.
   */
  async see(server: string, tools: readonly SeenTool[]): Promise<Map<string, string>> {
    const known = new Map((await this.ofServer(server)).map((row) => [row.tool, row]));
    // In one order on all nodes: two that insert the same rows must not wait for each other.
    const added = tools
      .filter(({ name }) => !known.has(name))
      .slice(0, Math.max(0, MAX_TOOLS - known.size))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    if (added.length > 0) await this.add(server, added);
    for (const tool of tools) {
      const row = known.get(tool.name);
      if (row !== undefined && row.fingerprint !== tool.fingerprint) await this.change(server, tool);
    }
    // Another node may have been first: what the table says counts.
    const rows = added.length > 0 ? await this.ofServer(server) : [...known.values()];
    return new Map(
      rows.flatMap((row) =>
        row.accepted_fingerprint === null ? [] : [[row.tool, row.accepted_fingerprint] as const],
      ),
    );
  }

  /** All tools of all servers, by name. */
  list(): Promise<KnownTool[]> {
    return this.database.kysely
      .selectFrom('mcp_tools')
      .selectAll()
      .orderBy('server')
      .orderBy('tool')
      .execute();
  }

  find(server: string, tool: string): Promise<KnownTool | undefined> {
    return this.database.kysely
      .selectFrom('mcp_tools')
      .selectAll()
      .where('server', '=', server)
      .where('tool', '=', tool)
      .executeTakeFirst();
  }

  /** Accepts the tool as it describes itself now. @returns false when that is not `fingerprint` any more. */
  async accept(server: string, tool: string, fingerprint: string, by: string): Promise<boolean> {
    const { numUpdatedRows } = await this.database.kysely
      .updateTable('mcp_tools')
      .set((eb) => ({
        accepted_fingerprint: eb.ref('fingerprint'),
        accepted_description: eb.ref('description'),
        accepted_by: by,
        accepted_at: this.database.now,
      }))
      .where('server', '=', server)
      .where('tool', '=', tool)
      .where('fingerprint', '=', fingerprint)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return false;
    this.database.notices.send('tools', server);
    return true;
  }

  /** Hears when another node has accepted something; without a server: perhaps of any. @returns what ends it. */
  onAccepted(hear: (server?: string) => void): () => void {
    return this.database.notices.listen('tools', (ids) => {
      if (ids === 'unknown') hear();
      else for (const id of ids) hear(id);
    });
  }

  private ofServer(server: string) {
    return this.database.kysely
      .selectFrom('mcp_tools')
      .select(['tool', 'fingerprint', 'accepted_fingerprint'])
      .where('server', '=', server)
      .execute();
  }

  private async add(server: string, tools: readonly SeenTool[]): Promise<void> {
    await this.database.kysely
      .insertInto('mcp_tools')
      .values(
        tools.map(({ name, fingerprint, text }) => ({
          server,
          tool: name,
          fingerprint,
          description: text,
          accepted_fingerprint: fingerprint,
          accepted_description: text,
          accepted_by: null,
          accepted_at: this.database.now,
          seen_at: this.database.now,
        })),
      )
      .onConflict((conflict) => conflict.columns(['server', 'tool']).doNothing())
      .execute();
  }

  private async change(server: string, { name, fingerprint, text }: SeenTool): Promise<void> {
    await this.database.kysely
      .updateTable('mcp_tools')
      .set({ fingerprint, description: text, seen_at: this.database.now })
      .where('server', '=', server)
      .where('tool', '=', name)
      .execute();
  }
}
