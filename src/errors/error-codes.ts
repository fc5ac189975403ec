/**
 * Every way in which a call can be refused: one code, one HTTP status, one title.
 * The code is what programs compare; the title is for people. Statuses follow RFC 9110 and RFC 6585.
 */
export const ERROR_CODES = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  mixed_credentials: { status: 400, title: 'The credentials name different users' },
  unauthenticated: { status: 401, title: 'Sign-in is needed' },
  invalid_credentials: { status: 401, title: 'E-mail or password is wrong' },
  sign_in_failed: { status: 401, title: 'The sign-in with the identity provider failed' },
  sign_in_refused: { status: 403, title: 'The identity provider knows you, but you may not come in here' },
  forbidden: { status: 403, title: 'This is not allowed' },
  cross_site: { status: 403, title: 'Refused: the request comes from another site' },
  not_found: { status: 404, title: 'There is no such thing' },
  method_not_allowed: { status: 405, title: 'The method is not known here' },
  not_acceptable: { status: 406, title: 'The stream is sent as text/event-stream only' },
  request_timeout: { status: 408, title: 'The request came too slowly' },
  conflict: { status: 409, title: 'This conflicts with the present state' },
  session_busy: { status: 409, title: 'The session has an active run' },
  approval_expired: { status: 410, title: 'The time to decide is over' },
  precondition_failed: { status: 412, title: 'The condition of the request does not hold' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported' },
  range_not_satisfiable: { status: 416, title: 'There is no such part' },
  expectation_failed: { status: 417, title: 'The expectation cannot be met' },
  idempotency_mismatch: { status: 422, title: 'The Idempotency-Key was used with another body' },
  budget_exceeded: { status: 429, title: 'A budget is used up' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The address and the headers are too large' },
  internal: { status: 500, title: 'The server failed' },
  not_implemented: { status: 501, title: 'The server does not support this' },
  draining: { status: 503, title: 'The server is shutting down' },
  unavailable: { status: 503, title: 'The server cannot do this right now' },
  storage_full: { status: 507, title: 'The server has no space left to store this' },
  fenced: { status: 500, title: 'Another process owns the run' },
  model_failed: { status: 502, title: 'The model failed' },
  run_timeout: { status: 504, title: 'The run took too long' },
  max_turns: { status: 500, title: 'The run used all its turns' },
  repeated_calls: { status: 500, title: 'The model repeats itself' },
  invalid_calls: { status: 502, title: 'The model sends calls that cannot be read' },
  truncated: { status: 502, title: 'The answer was cut off' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;
