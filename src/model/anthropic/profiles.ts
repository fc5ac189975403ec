/** What a server that speaks the Messages API understands of it, and how it differs. */
export interface Profile {
  /** Automatic prompt caching (`cache_control` at the top of a request). */
  cacheControl: boolean;
  /** `thinking`: how the model thinks, and that it is shown. */
  thinking: boolean;
  /** `output_config.effort`. */
  effort: boolean;
  /** How the key goes: `Authorization: Bearer`, or `x-api-key` with the API version of 2023. */
  credentials: 'bearer' | 'x-api-key';
  /** Calls of one answer may have the same id. Where not, the second is the first told twice. */
  idsMayRepeat: boolean;
  /** Tokens may not be told; they are estimated then. */
  usageMayBeMissing: boolean;
  /** `GET /v1/models` tells limits and lifecycle of models. */
  listsModels: boolean;
}

const ANTHROPIC: Profile = {
  cacheControl: true,
  thinking: true,
  effort: true,
  credentials: 'bearer',
  idsMayRepeat: false,
  usageMayBeMissing: false,
  listsModels: true,
};

/** Servers of open models: nothing that only Claude understands, and nothing taken for granted. */
const LOCAL: Profile = {
  cacheControl: false,
  thinking: false,
  effort: false,
  credentials: 'bearer',
  idsMayRepeat: true,
  usageMayBeMissing: true,
  listsModels: false,
};

/** Source: the documentation of each server, read 2026-11-23; none was tried with API version 2026-10-21. */
export const PROFILES = {
  anthropic: ANTHROPIC,
  ollama: LOCAL,
  'lm-studio': LOCAL,
  'llama-cpp': LOCAL,
  vllm: LOCAL,
  /** In front of Claude, but of the time when the key was `x-api-key` and the version 2023-06-01. */
  'old-gateway': {
    ...ANTHROPIC,
    cacheControl: false,
    thinking: false,
    effort: false,
    credentials: 'x-api-key',
    usageMayBeMissing: true,
    listsModels: false,
  },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;
