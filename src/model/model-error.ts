import { maskSecrets } from '../telemetry/mask-secrets.js';

export interface ModelErrorOptions {
  cause?: unknown;
  /** Whether the same call may succeed later. */
  retryable: boolean;
  /** How many further tries make sense; as many as the caller's policy allows when not given. */
  retries?: number | undefined;
  /** What the provider asked to wait, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** The provider's id of this attempt. */
  requestId?: string | undefined;
  /** The prompt is longer than the model can read: less of it may be taken. */
  isContextOverflow?: boolean;
  /** The provider takes no call with these credentials. */
  isCredentialBad?: boolean;
  /** What the provider tells programs of the reason, as it came: `error_code` and what belongs to it. */
  details?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A call of the model failed. `code` names the reason for programs: the provider's error type
 * (`overloaded_error`), `image_dimensions_too_large`, or `model_stream_truncated`, `model_idle`,
 * `model_protocol`, `model_unreachable`. The message may be shown to the user: what a provider repeats of the
 * credentials that it was called with is left out.
 */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly retryable: boolean;
  readonly retries: number | undefined;
  readonly retryAfterMs: number | undefined;
  /** Set later where only the connection knows it. */
  requestId: string | undefined;
  readonly isContextOverflow: boolean;
  readonly isCredentialBad: boolean;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(
    readonly code: string,
    message: string,
    options: ModelErrorOptions,
  ) {
    super(maskSecrets(message), { cause: options.cause });
    this.retryable = options.retryable;
    this.retries = options.retries;
    this.retryAfterMs = options.retryAfterMs;
    this.requestId = options.requestId;
    this.isContextOverflow = options.isContextOverflow ?? false;
    this.isCredentialBad = options.isCredentialBad ?? false;
    this.details = options.details;
  }
}
