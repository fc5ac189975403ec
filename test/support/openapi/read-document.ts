import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../build.js';

interface Operation {
  operationId: string;
  tags?: string[];
  summary?: string;
  responses: Record<string, { content?: Record<string, { schema?: unknown }> }>;
}

export interface ApiDescription {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown> };
}

/** The part of AsyncAPI that tests look at. */
export interface SocketDescription {
  channels: { socket: { messages: Record<string, unknown> } };
}

/** `openapi.json` at the top of the repository. */
export function readOpenApi(): ApiDescription {
  return read('openapi.json') as ApiDescription;
}

export function readAsyncApi(): SocketDescription {
  return read('asyncapi.json') as SocketDescription;
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, name), 'utf8'));
}
