import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WireUsage } from './anthropic-sse.js';
import { ROOT } from '../build.js';

/** What the service once sent, and what a client has to make of it. Read by hand, not by the server's reader. */
export interface Recording {
  file: string;
  sse: string;
  /** All text of the answer, joined. */
  text: string;
  /** The top level: last `message_delta` over `message_start`. */
  /** As its top level tells. */
  usage: WireUsage;
  /** With compaction and advisors. */
  total: WireUsage;
  stopReason: string | undefined;
  /** Ids of the calls of client tools. */
  toolUses: string[];
  /** Names of those tools, each once. */
  toolNames: string[];
  /** A second `message_start`: a broken attempt, never an answer. */
  broken: boolean;
}

interface WireBlockStart {
  type: string;
  id?: string;
  name?: string;
  text?: string;
}

interface WireData {
  type: string;
  message?: { content: WireBlockStart[]; stop_reason: string | null; usage: Record<string, unknown> };
  content_block?: WireBlockStart;
  delta?: { type?: string; text?: string; stop_reason?: string };
  usage?: Record<string, unknown>;
}

const FOLDER = join(ROOT, '..', 'shared', 'fixtures', 'anthropic-recorded');

/** All recordings; empty where their folder is not there. */
export function recordings(): Recording[] {
  if (!existsSync(FOLDER)) return [];
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.sse'))
    .map((file) => read(file, readFileSync(join(FOLDER, file), 'utf8')));
}

/** Whether there is nothing to play; says so, and fails where CI should have put them there. */
export function noRecordings(all: Recording[]): boolean {
  if (all.length > 0) return false;
  const text = 'The recorded answers are not beside this checkout: what plays them is left out.';
  if (process.env['CI']) throw new Error(text);
  console.log(text);
  return true;
}

function read(file: string, sse: string): Recording {
  const events = [...sse.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]!) as WireData);
  const starts = events.filter((event) => event.type === 'message_start');
  const blocks = events.flatMap((event) => event.message?.content ?? event.content_block ?? []);
  const stops = events.flatMap((event) => event.delta?.stop_reason ?? event.message?.stop_reason ?? []);
  const texts = events.flatMap((event) => {
    const started = [...(event.message?.content ?? []), event.content_block].map(
      (block) => block?.text ?? '',
    );
    return [...started, event.delta?.type === 'text_delta' ? event.delta.text : ''];
  });
  const told = events.flatMap((event): Record<string, unknown>[] => {
    const usage = event.message?.usage ?? event.usage;
    return usage ? [usage] : [];
  });
  return {
    file,
    sse,
    text: texts.join(''),
    usage: usageOf(told),
    total: totalOf(told),
    stopReason: stops.at(-1),
    toolUses: blocks.flatMap((block) => (block.type === 'tool_use' ? (block.id ?? []) : [])),
    toolNames: [...new Set(blocks.flatMap((block) => (block.type === 'tool_use' ? (block.name ?? []) : [])))],
    broken: starts.length > 1,
  };
}

/** Later values replace earlier ones; what is null or absent keeps the old value. */
function usageOf(told: Record<string, unknown>[]): WireUsage {
  const last = (name: string): number => {
    const values = told.map((usage) => usage[name]).filter((value) => typeof value === 'number');
    return values.at(-1) ?? 0;
  };
  return {
    input_tokens: last('input_tokens'),
    output_tokens: last('output_tokens'),
    cache_read_input_tokens: last('cache_read_input_tokens'),
    cache_creation_input_tokens: last('cache_creation_input_tokens'),
  };
}

/** The top level leaves out compaction and advisors, which stand in `iterations` beside the message itself. */
function totalOf(told: Record<string, unknown>[]): WireUsage {
  const parts = told.findLast((usage) => Array.isArray(usage['iterations']))?.['iterations'];
  const iterations = (parts ?? []) as Record<string, unknown>[];
  if (!iterations.some(({ type }) => type === 'compaction' || type === 'advisor_message'))
    return usageOf(told);
  const sum = (name: string) => iterations.reduce((total, part) => total + Number(part[name] ?? 0), 0);
  return {
    input_tokens: sum('input_tokens'),
    output_tokens: sum('output_tokens'),
    cache_read_input_tokens: sum('cache_read_input_tokens'),
    cache_creation_input_tokens: sum('cache_creation_input_tokens'),
  };
}
