/** The parts of problem details (RFC 9457) that a program can use. */
interface Problem {
  code?: string;
  title?: string;
  detail?: string;
  errors?: { path: string; message: string }[];
}

export interface ErrorParts {
  /** HTTP status; 0 when there was no answer. */
  status: number;
  /** The server's code; of the client's own: `unreachable`, `connection_lost`, `not_a_stream`, `not_json`, `socket_refused`, `unknown`. */
  code: string;
  /** Milliseconds after which the server wants to be asked again. */
  retryAfterMs?: number | undefined;
  errors?: readonly { path: string; message: string }[] | undefined;
  cause?: unknown;
}

/** Statuses that say nothing about the request itself: the same one may work in a moment. */
const PASSING = new Set([0, 408, 425, 500, 502, 503, 504]);

/** A call was refused, or the server could not be reached. */
export class AgentlineError extends Error {
  override readonly name = 'AgentlineError';
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  readonly errors: readonly { path: string; message: string }[];

  constructor(message: string, { status, code, retryAfterMs, errors = [], cause }: ErrorParts) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.errors = errors;
  }

  /** Whether the same call may work in a moment. 401, 403, 404 and what is wrong with the request are final. */
  get isPassing(): boolean {
    if (this.status === 429) return this.code !== 'budget_exceeded';
    return PASSING.has(this.status);
  }

  /** What an answer says that is no success. Reads its body. */
  static async of(response: Response): Promise<AgentlineError> {
    const { status, headers } = response;
    const problem = parseProblem(await response.text().catch(() => ''));
    const wrong = (problem.errors ?? []).map(({ path, message }) => (path ? `${path}: ${message}` : message));
    const message = problem.detail ?? problem.title ?? `The server answered with ${status}.`;
    return new AgentlineError([message, ...wrong].join(' '), {
      status,
      code: problem.code ?? 'unknown',
      retryAfterMs: secondsOf(headers.get('retry-after')),
      errors: problem.errors,
    });
  }
}

/** What stands between us and the server may answer in words of its own. */
function parseProblem(text: string): Problem {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Seconds only: our servers send no dates (RFC 9110 §10.2.3). */
function secondsOf(text: string | null): number | undefined {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
}
