import type { ModelUsage, TokenCounts, UsageIteration } from '../model-usage.js';
import { isRecord, type Json } from '../json.js';

const COUNTS = [
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
] as const;

/** Collects the usage of one message. Each report has totals so far, never increments; null or absent says nothing new. */
export class UsageReader {
  /** Whether the server has told anything. */
  isTold = false;

  private readonly usage: ModelUsage = noTokens();

  read(told: unknown): void {
    if (!isRecord(told)) return;
    this.isTold = true;
    readCounts(told, this.usage);
    const thinking = isRecord(told.output_tokens_details) ? told.output_tokens_details.thinking_tokens : null;
    if (isCount(thinking)) this.usage.thinking_tokens = thinking;
    this.readServerTools(told.server_tool_use);
    if (Array.isArray(told.iterations)) {
      this.usage.iterations = told.iterations.filter(isRecord).map(iterationOf);
    }
  }

  /** As told so far. */
  get sum(): ModelUsage {
    return { ...this.usage };
  }

  private readServerTools(told: unknown): void {
    if (!isRecord(told)) return;
    const searches = isCount(told.web_search_requests) ? told.web_search_requests : 0;
    const fetches = isCount(told.web_fetch_requests) ? told.web_fetch_requests : 0;
    if (searches + fetches === 0) return;
    this.usage.server_tool_use = { web_search_requests: searches, web_fetch_requests: fetches };
  }
}

function iterationOf(told: Json): UsageIteration {
  const iteration: UsageIteration = {
    type: typeof told.type === 'string' ? told.type : 'unknown',
    model: typeof told.model === 'string' ? told.model : null,
    ...noTokens(),
  };
  readCounts(told, iteration);
  return iteration;
}

function readCounts(told: Json, counts: TokenCounts): void {
  for (const field of COUNTS) {
    const count = told[field];
    if (isCount(count)) counts[field] = count;
  }
  if (!isRecord(told.cache_creation)) return;
  const { ephemeral_5m_input_tokens: minutes, ephemeral_1h_input_tokens: hour } = told.cache_creation;
  const split = {
    ephemeral_5m_input_tokens: isCount(minutes) ? minutes : 0,
    ephemeral_1h_input_tokens: isCount(hour) ? hour : 0,
  };
  if (split.ephemeral_5m_input_tokens + split.ephemeral_1h_input_tokens > 0) counts.cache_creation = split;
}

function noTokens(): TokenCounts {
  return {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation_input_tokens: 0,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
