import { readFileSync } from 'node:fs';
import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { EnvironmentError, readEnvironment } from '../../errors/environment.js';
import { readServers } from './tool-servers.js';

/** Tool servers (MCP) whose tools are offered beside the built-in ones; none by default. */
export const mcpConfig = registerAs('mcp', () => {
  const { MCP_SERVERS: text, MCP_SERVERS_FILE: file } = readEnvironment(process.env, {
    MCP_SERVERS: z.string().optional().describe('a JSON object of tool servers'),
    MCP_SERVERS_FILE: z.string().optional().describe('a file with what MCP_SERVERS takes'),
  });
  if (text !== undefined && file !== undefined)
    throw new EnvironmentError('MCP_SERVERS and MCP_SERVERS_FILE are both set: keep one of them.');
  if (text !== undefined) return { servers: readServers('MCP_SERVERS', text, process.env) };
  if (file !== undefined) return { servers: readServers('MCP_SERVERS_FILE', readFile(file), process.env) };
  return { servers: [] };
});

export type McpConfig = ConfigType<typeof mcpConfig>;

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code = 'an error' } = cause as NodeJS.ErrnoException;
    throw new EnvironmentError(
      `MCP_SERVERS_FILE is ${JSON.stringify(file)}, which cannot be read: ${code}.`,
      {
        cause,
      },
    );
  }
}
