import { APIError, type Anthropic } from '@anthropic-ai/sdk';
import type { ModelLimits } from '../language-model.js';
import type { ModelNotice } from '../model-notice.js';
import { isRecord } from '../json.js';

/** The whole look takes no longer than this, in milliseconds. */
const LOOK_MS = 5_000;
const MAX_MODELS = 5_000;
const SOON_MS = 60 * 24 * 60 * 60 * 1000;

/** A model as `GET /v1/models` tells it; its prices it does not tell. */
interface Listed extends ModelLimits {
  id: string;
  lifecycle: string;
  /** Milliseconds since 1970; null: not planned. */
  retiresAt: number | null;
}

export interface ModelLook {
  notices: ModelNotice[];
  limits: ReadonlyMap<string, ModelLimits>;
}

/**
 * Looks the models up that the provider has, and whether `model` is one of them. Where the provider does not tell
 * (no such route, another wire, no answer in five seconds) nothing is known, and nothing is said.
 * @param now milliseconds since 1970
 */
export async function lookUpModels(
  client: Anthropic,
  model: string,
  signal: AbortSignal,
  now = Date.now(),
): Promise<ModelLook> {
  const limits = new Map<string, ModelLimits>();
  const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]), timeout: LOOK_MS };
  try {
    for await (const told of client.beta.models.list({ limit: 1000 }, options)) {
      const listed = read(told);
      if (listed !== null) limits.set(listed.id, listed);
      if (limits.size >= MAX_MODELS) break;
    }
    if (limits.size === 0) return { notices: [], limits };
    // A name that stands for another one is not in the list, but is found by itself.
    const found =
      (limits.get(model) as Listed | undefined) ??
      read(await client.beta.models.retrieve(model, {}, options));
    if (found !== null) limits.set(model, found);
    return { notices: found === null ? [] : lifecycleNotices(model, found, now), limits };
  } catch (error) {
    return { notices: noticesOfFailure(error, model, limits.size > 0), limits };
  }
}

function noticesOfFailure(error: unknown, model: string, isListed: boolean): ModelNotice[] {
  const status: unknown = error instanceof APIError ? error.status : undefined;
  if (status === 401 || status === 403) {
    const message = `The model's provider refuses these credentials (${status}): no run will be answered.`;
    return [{ code: 'model_credentials_refused', message }];
  }
  if (status !== 404 || !isListed) return [];
  const message = `The model's provider does not know ${model}: check MODEL. Its ids are those of GET /v1/models.`;
  return [{ code: 'model_not_listed', message }];
}

function lifecycleNotices(model: string, { lifecycle, retiresAt }: Listed, now: number): ModelNotice[] {
  if (lifecycle === 'retired') {
    return [{ code: 'model_retired', message: `${model} is retired: choose another MODEL.` }];
  }
  if (retiresAt !== null && retiresAt - now < SOON_MS) {
    const day = new Date(retiresAt).toISOString().slice(0, 10);
    return [{ code: 'model_retires', message: `${model} retires on ${day}: choose another MODEL before.` }];
  }
  if (lifecycle !== 'deprecated') return [];
  return [{ code: 'model_deprecated', message: `${model} is deprecated: choose another MODEL.` }];
}

/** Null for what is listed in another way, as servers of OpenAI's wire do. */
function read(told: unknown): Listed | null {
  if (!isRecord(told) || told.type !== 'model' || typeof told.id !== 'string') return null;
  const retiresAt = typeof told.retires_at === 'string' ? Date.parse(told.retires_at) : Number.NaN;
  return {
    id: told.id,
    contextTokens: countOf(told.max_input_tokens),
    maxOutputTokens: countOf(told.max_tokens),
    lifecycle: typeof told.lifecycle === 'string' ? told.lifecycle : 'active',
    retiresAt: Number.isNaN(retiresAt) ? null : retiresAt,
  };
}

function countOf(told: unknown): number | null {
  return typeof told === 'number' && Number.isSafeInteger(told) && told > 0 ? told : null;
}
