import type { ModelRequest, ToolSpec } from './language-model.js';

/** Characters of a token, counted low, so that the estimate is rather too high. */
const CHARACTERS = 3;
/** Of an image or a page of a document, whatever its size: the provider scales them down. */
const FILE_TOKENS = 4_000;
/** For each part of a request, what stands around it. */
const PART_TOKENS = 8;

/** About how many tokens a request has as a prompt; rather too many than too few. */
export function estimateTokens({
  system,
  messages,
  tools,
}: Pick<ModelRequest, 'system' | 'messages' | 'tools'>): number {
  const ofTools = tools.reduce((sum, tool) => sum + weighTool(tool), PART_TOKENS);
  return Math.ceil(weigh(system) + weigh(messages) + ofTools);
}

/** They are long, and the same objects in request after request. */
const weights = new WeakMap<ToolSpec, number>();

function weighTool(tool: ToolSpec): number {
  const weight = weights.get(tool) ?? weigh(tool);
  weights.set(tool, weight);
  return weight;
}

function weigh(value: unknown): number {
  if (typeof value === 'string') return value.length / CHARACTERS;
  if (typeof value !== 'object' || value === null) return 1;
  if (isFile(value)) return FILE_TOKENS;
  let sum = PART_TOKENS;
  for (const [name, part] of Object.entries(value)) {
    if (!Array.isArray(value)) sum += name.length / CHARACTERS;
    sum += weigh(part);
  }
  return sum;
}

function isFile(value: object): boolean {
  return 'source' in value && typeof value.source === 'object' && 'type' in value && value.type !== 'text';
}
