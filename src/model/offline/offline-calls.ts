import type { Json } from '../json.js';
import { argumentsFrom, callsAskedFor } from './offline-arguments.js';
import { findingsOf, type Findings } from './offline-findings.js';
import type { OfflineTool } from './offline-request.js';

export interface OfflineCall {
  name: string;
  input: Json;
}

/** Longer texts are looked at up to here: patterns must not cost more than an answer. */
const LOOKED_AT = 4000;

const WITHOUT_TOOLS = /\b(?:without|no|not use|don't use)(?: any)? tools?\b/i;
const ASKS_FOR_AGENT = /\b(?:sub-?agent|delegate|task tool)\b|`task`/i;
const ASKS_FOR_TIME = /\b(?:time|clock|date|today|hour|weekday|what day)\b/i;

/** Words of a tool's name that say nothing about what it does. */
const FILLERS = new Set([
  'get',
  'fetch',
  'do',
  'run',
  'make',
  'set',
  'use',
  'tool',
  'the',
  'a',
  'to',
  'of',
  'my',
  'mcp',
]);

/** Kinds of question that the built-in tools answer without being named. */
const KINDS: Record<string, (findings: Findings) => boolean> = {
  get_time: ({ text }) => ASKS_FOR_TIME.test(text),
  calculate: ({ expressions }) => expressions.length > 0,
  fetch_url: ({ urls }) => urls.length > 0,
  task: ({ text }) => ASKS_FOR_AGENT.test(text),
};

/** Names that are everyday words: such a tool is asked for by what it does. */
const EVERYDAY = new Set(['task']);

/** The calls that a user's text asks for, in the order of the tools; several of one tool for several arguments. */
export function callsFor(text: string, tools: OfflineTool[]): OfflineCall[] {
  const looked = text.slice(0, LOOKED_AT);
  if (WITHOUT_TOOLS.test(looked)) return [];
  const findings = findingsOf(looked);
  // Tools called by their names take their arguments first; only what is left asks for others.
  const quotes = findings.quoted.join('\n');
  const named = tools.filter((tool) => isNamed(tool.name, looked));
  const calls = named.flatMap((tool) => callsOf(tool, findings));
  const identified = named.some((tool) => /[_-]/.test(tool.name));
  if (identified) findings.expressions = findings.expressions.filter((term) => !quotes.includes(term));
  const meant = tools.filter((tool) => !named.includes(tool) && isMeant(tool, findings, identified));
  calls.push(...meant.flatMap((tool) => callsOf(tool, findings)));
  return tools.flatMap((tool) => calls.filter((call) => call.name === tool.name));
}

function callsOf(tool: OfflineTool, findings: Findings): OfflineCall[] {
  const after = wordsAfter(tool.name, findings.text);
  const times = callsAskedFor(tool.input_schema, findings);
  return Array.from({ length: times }, () => ({
    name: tool.name,
    input: argumentsFrom(tool.input_schema, findings, after),
  }));
}

/** The name itself stands in the text, or all its words in a row. */
function isNamed(name: string, text: string): boolean {
  if (EVERYDAY.has(name)) return false;
  return new RegExp(`(?<![\\w-])${wordsOf(name).join('[\\s_-]*')}(?![\\w-])`, 'i').test(text);
}

function isMeant(tool: OfflineTool, findings: Findings, identified: boolean): boolean {
  const kind = KINDS[tool.name];
  if (identified && tool.name === 'get_time') return false;
  if (kind !== undefined) return kind(findings);
  return (
    !identified &&
    clearWordsOf(tool.name).length > 0 &&
    clearWordsOf(tool.name).every((word) => saysWord(findings.text, word))
  );
}

function saysWord(text: string, word: string): boolean {
  return new RegExp(`\\b${stem(word)}(?:s|es|ed|ing|er)?\\b`, 'i').test(text);
}

function stem(word: string): string {
  return word.length > 4 ? word.replace(/(?:es|s|ing|ed)$/, '') : word;
}

function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== '');
}

function clearWordsOf(name: string): string[] {
  return wordsOf(name).filter((word) => word.length > 2 && !FILLERS.has(word));
}

/** What follows the tool's name, or the last word of it, up to the end of the sentence. */
function wordsAfter(name: string, text: string): string {
  const words = wordsOf(name);
  const patterns = [
    words.join('[\\s_-]*'),
    ...clearWordsOf(name)
      .toReversed()
      .map((word) => `${stem(word)}\\w*`),
  ];
  for (const pattern of patterns) {
    const found = new RegExp(
      `(?<![\\w-])${pattern}(?![\\w-])[\\s:,]*((?:(?![.!?](?:\\s|$))[^\\n])*)`,
      'i',
    ).exec(text)?.[1];
    if (found !== undefined)
      return found.replace(/^(?:(?:with|for|on|to|of|about|in|at|the|tool|and|say|saying)\s+)+/i, '').trim();
  }
  return '';
}
