/** What the operator should know at start. The message is one sentence, or two. */
export interface ModelNotice {
  code:
    'model_not_listed' | 'model_deprecated' | 'model_retires' | 'model_retired' | 'model_credentials_refused';
  message: string;
}

/** No retry helps: a person has to raise a limit, settle an account or change the credentials. */
export interface ModelAlarm {
  /** The provider's word for it: an error code, or else an error type. */
  code: string;
  message: string;
}

/** What is left of a provider's limit for these credentials, as its last answer told. */
export interface RateLimit {
  kind: 'requests' | 'tokens' | 'input_tokens' | 'output_tokens';
  limit: number | null;
  remaining: number;
  /** Milliseconds since 1970; null: not told. */
  resetsAt: number | null;
}

/** Both are called in the middle of a call: they must be quick and not throw. */
export interface ModelObserver {
  limits?(limits: RateLimit[]): void;
  /** Once for each time that something breaks, however many calls it concerns. */
  alarm?(alarm: ModelAlarm): void;
}
