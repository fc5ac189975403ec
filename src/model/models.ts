import type { Effort, ModelLimits } from './language-model.js';

/**
 * `always` and `adaptive` models decide themselves how much they think; `enabled` ones need a budget in tokens;
 * `none`: nothing is known, so nothing is asked.
 */
export type ThinkingMode = 'always' | 'adaptive' | 'enabled' | 'none';

export interface KnownModel extends ModelLimits {
  thinking: ThinkingMode;
  /** Whether thinking has to be, and may be, forbidden in so many words; else saying nothing is all that can be done. */
  canForbidThinking: boolean;
  /** What the provider takes when nothing is said; null: the model has no such setting. */
  effort: Effort | null;
  /** The shortest prompt that is cached, in tokens; null: not known. */
  minCachePrompt: number | null;
}

const MILLION: ModelLimits = { contextTokens: 1_000_000, maxOutputTokens: 128_000 };
const UNKNOWN: ModelLimits = { contextTokens: null, maxOutputTokens: null };

/** Source: Anthropic's documentation, read 2026-11-23. Not confirmed: the effort of claude-fable-5-2. */
const ROWS: [string[], KnownModel][] = [
  [
    ['claude-fable-5-2', 'claude-fable-5-1', 'claude-mythos-5-2', 'claude-mythos-5-1'],
    { ...MILLION, ...thinks('always', 'high'), minCachePrompt: 512 },
  ],
  [['claude-opus-5-5'], { ...MILLION, ...thinks('always', 'medium'), minCachePrompt: 512 }],
  [['claude-opus-5'], { ...MILLION, ...thinks('adaptive', 'high', true), minCachePrompt: 512 }],
  [['claude-sonnet-5-5'], { ...MILLION, ...thinks('adaptive', 'high'), minCachePrompt: 512 }],
  [['claude-sonnet-5'], { ...MILLION, ...thinks('adaptive', 'high', true), minCachePrompt: 1024 }],
  [['claude-haiku-5-5'], { ...MILLION, ...thinks('adaptive', 'medium'), minCachePrompt: 512 }],
  [
    ['claude-opus-4-8', 'claude-opus-4-7', 'claude-opus-4-6'],
    { ...MILLION, ...thinks('adaptive', 'high'), minCachePrompt: null },
  ],
  [
    ['claude-sonnet-4-6'],
    { contextTokens: 1_000_000, maxOutputTokens: null, ...thinks('none', null), minCachePrompt: null },
  ],
  [
    ['claude-haiku-4-5'],
    { contextTokens: 200_000, maxOutputTokens: 64_000, ...thinks('enabled', null), minCachePrompt: 4096 },
  ],
  [['claude-sonnet-4-5'], { ...UNKNOWN, ...thinks('none', null), minCachePrompt: null }],
];

const MODELS: ReadonlyMap<string, KnownModel> = new Map(
  ROWS.flatMap(([ids, model]) => ids.map((id): [string, KnownModel] => [id, model])),
);

/** What is known of a model by its exact id; nothing is guessed from a part of it. */
export function knownModel(id: string): KnownModel | undefined {
  return MODELS.get(id);
}

function thinks(thinking: ThinkingMode, effort: Effort | null, canForbidThinking = false) {
  return { thinking, effort, canForbidThinking };
}
