import { createHash } from 'node:crypto';
import type { Tool } from '@modelcontextprotocol/client';
import { cutText } from '../cut-text.js';
import { schemaProblem } from './schema-problem.js';
import type { ToolServer } from './tool-servers.js';

/** A tool as its server describes it. */
export interface ToolDefinition {
  /** As the server calls it. */
  name: string;
  /** As the model calls it. */
  offeredAs: string;
  /** For the model. */
  description: string;
  inputSchema: Record<string, unknown>;
  /** SHA-256 of `text`: what was accepted is what is offered. */
  fingerprint: string;
  /** Name, description, schema and annotations as JSON with sorted keys. */
  text: string;
}

/** Tools of one server that are offered: each takes a part of what the model can keep in mind. */
const MAX_TOOLS = 128;
const MAX_BYTES = 32 * 1024;
/** What the model reads of the description; more than that crowds out everything else it is told. */
const MAX_DESCRIPTION_BYTES = 8 * 1024;
const MAX_DEPTH = 32;
/** What the model's provider takes as a name. */
const MAX_NAME = 64;
const NAME_HASH = 8;
const NAME = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/** What of a list can be offered to a model, and a line about each thing that cannot. */
export function readDefinitions(
  server: ToolServer,
  tools: readonly Tool[],
): { definitions: ToolDefinition[]; problems: string[] } {
  const problems: string[] = [];
  const byName = new Map<string, ToolDefinition>();
  const wanted = tools.filter(({ name }) => server.tools?.includes(name) ?? true);
  for (const tool of wanted.slice(0, MAX_TOOLS)) {
    const definition = readDefinition(server.name, tool);
    if ('problem' in definition)
      problems.push(`${JSON.stringify(tool.name.slice(0, 64))} is not offered: ${definition.problem}`);
    else byName.set(tool.name, definition);
  }
  const more = wanted.length - MAX_TOOLS;
  if (more > 0) problems.push(`${more} of its tools are not offered: ${MAX_TOOLS} at most`);
  return { definitions: [...byName.values()], problems };
}

/** @returns the definition, or why this tool cannot be offered to a model. */
function readDefinition(server: string, tool: Tool): ToolDefinition | { problem: string } {
  const { name, description, inputSchema, annotations } = tool;
  if (!NAME.test(name)) return { problem: 'its name is empty, too long or has control characters' };
  if (size(tool) > MAX_BYTES)
    return { problem: `its description and schema have more than ${MAX_BYTES} bytes` };
  const canonical = sorted({ name, description, inputSchema, annotations }, 0);
  if (canonical === undefined) return { problem: `its schema is nested deeper than ${MAX_DEPTH} levels` };
  const problem = schemaProblem(inputSchema);
  if (problem !== undefined) return { problem: `its schema ${problem}` };
  const text = JSON.stringify(canonical);
  return {
    name,
    offeredAs: offeredName(server, name),
    description: cutText(`[${server}] ${description?.trim() || name}`, MAX_DESCRIPTION_BYTES),
    inputSchema,
    fingerprint: createHash('sha256').update(text).digest('hex'),
    text,
  };
}

function size({ description, inputSchema, annotations }: Tool): number {
  // Long texts are measured without a copy of them.
  if ((description?.length ?? 0) > MAX_BYTES) return Infinity;
  try {
    return Buffer.byteLength(JSON.stringify([description, inputSchema, annotations]));
  } catch (error) {
    // Nested so deeply that the stack is not enough.
    if (error instanceof RangeError) return Infinity;
    throw error;
  }
}

/** The same JSON value with the keys of all objects in order; undefined when it is nested too deeply. */
function sorted(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => sorted(item, depth + 1));
    return items.includes(undefined) ? undefined : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const fields: [string, unknown][] = [];
  for (const [key, field] of Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (field === undefined) continue;
    const copy = sorted(field, depth + 1);
    if (copy === undefined) return undefined;
    fields.push([key, copy]);
  }
  return Object.fromEntries(fields);
}

/**
 * What the model calls the tool `tool` of `server`. Names of servers have no "_", so two servers never meet. A name
 * that is too long or has other characters is cut and replaced, and ends with a hash of the whole: the same over
 * restarts, and another one for each tool.
 */
function offeredName(server: string, tool: string): string {
  const name = `${server}__${tool}`;
  if (/^[a-zA-Z0-9_-]+$/.test(tool) && name.length <= MAX_NAME) return name;
  const hash = createHash('sha256').update(tool).digest('hex').slice(0, NAME_HASH);
  const readable = name.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, MAX_NAME - NAME_HASH - 1);
  return `${readable}_${hash}`;
}
