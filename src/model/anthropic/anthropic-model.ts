import { Anthropic, APIError } from '@anthropic-ai/sdk';
import {
  LanguageModel,
  ModelError,
  type ModelEvent,
  type ModelLimits,
  type ModelRequest,
  type TakeEvents,
} from '../language-model.js';
import type { ModelNotice, ModelObserver } from '../model-notice.js';
import { knownModel } from '../models.js';
import { AnswerMender } from './answer-mender.js';
import { callError, wrongAnswerError } from './anthropic-errors.js';
import { anthropicRequest } from './anthropic-request.js';
import { KeyGate, type Admission } from './key-gate.js';
import { lookUpModels } from './model-list.js';
import { type AnswerBody, isProxied, NodeTransport, type TransportName, WebBody } from './node-transport.js';
import { PROFILES, type Profile, type ProfileName } from './profiles.js';
import { WatchedAttempt } from './watched-attempt.js';
import { WireDecoder } from './wire-decoder.js';

/** Anthropic's own cheapest; what another server has is not known. */
const CHEAP_MODEL = 'claude-haiku-5-5';

export interface AnthropicModelOptions {
  defaultModel: string;
  /** Without `/v1`; the provider's own when not given. */
  baseUrl?: string | undefined;
  /** Comes before `authToken`; with neither, no credentials are sent. */
  apiKey?: string | undefined;
  authToken?: string | undefined;
  /** Silence of the connection after which the attempt is given up, in milliseconds. */
  idleMs: number;
  /** What the server understands; everything when not given. */
  profile?: ProfileName | undefined;
  /** What carries the calls: Node's own HTTP client when not given, which costs less; `fetch` where a proxy is set. */
  transport?: TransportName | undefined;
  /** For people: who this is. */
  label?: string;
  /** Whether `defaultModel` answers whatever is asked for. */
  isOnlyModel?: boolean;
}

/** The answer as it comes; `requestId` is known with its headers. */
interface Answer {
  body: AnswerBody;
  requestId: string | undefined;
}

const NOTHING: readonly ModelEvent[] = [];

/** A server that speaks Anthropic's Messages API: theirs, a gateway, a local one, or our offline stand-in. */
export class AnthropicModel extends LanguageModel {
  readonly defaultModel: string;
  private readonly client: Anthropic;
  private readonly profile: Profile;
  private readonly transport: NodeTransport | undefined;
  private readonly observers: ModelObserver[] = [];
  private readonly gate = new KeyGate({
    observer: {
      limits: (limits) => this.observers.forEach((observer) => observer.limits?.(limits)),
      alarm: (alarm) => this.observers.forEach((observer) => observer.alarm?.(alarm)),
    },
  });
  private listed: ReadonlyMap<string, ModelLimits> = new Map();

  constructor(private readonly options: AnthropicModelOptions) {
    super();
    this.defaultModel = options.defaultModel;
    this.profile = PROFILES[options.profile ?? 'anthropic'];
    const isNode = options.transport !== 'fetch' && !isProxied();
    this.transport = isNode ? new NodeTransport() : undefined;
    this.client = new Anthropic({
      ...(this.transport && { fetch: this.transport.fetch }),
      ...credentials(options, this.profile),
      baseURL: options.baseUrl ?? 'https://api.anthropic.com',
      maxRetries: 0,
      // Ours fires first: the SDK's ends with the headers.
      timeout: options.idleMs + 60_000,
      openTelemetry: false,
      // ANTHROPIC_LOG=debug would print what users wrote.
      logLevel: 'warn',
    });
  }

  override get cheapModel(): string | null {
    return this.options.baseUrl === undefined ? CHEAP_MODEL : null;
  }

  override resolve(asked: string | null): string {
    return this.options.isOnlyModel === true ? this.defaultModel : super.resolve(asked);
  }

  describe(): string {
    const { profile = 'anthropic', label } = this.options;
    const wire = profile === 'anthropic' ? "Anthropic's Messages API" : `Messages API (${profile})`;
    return `${label ?? wire} at ${new URL(this.client.baseURL).origin}`;
  }

  /** What the provider told at start, or else what is known of the model. */
  override limits(model: string): ModelLimits {
    const listed = this.listed.get(model);
    const known = knownModel(model);
    return {
      contextTokens: listed?.contextTokens ?? known?.contextTokens ?? null,
      maxOutputTokens: listed?.maxOutputTokens ?? known?.maxOutputTokens ?? null,
    };
  }

  override async check(signal: AbortSignal): Promise<ModelNotice[]> {
    if (this.options.isOnlyModel === true || !this.profile.listsModels) return [];
    const { notices, limits } = await lookUpModels(this.client, this.defaultModel, signal);
    this.listed = limits;
    return notices;
  }

  override observe(observer: ModelObserver): void {
    this.observers.push(observer);
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void, void> {
    const call = await this.call(request, signal);
    try {
      while (!call.isOver) {
        for (const event of await call.next()) {
          signal.throwIfAborted();
          yield event;
        }
      }
    } finally {
      call.end();
    }
  }

  override async deliver(request: ModelRequest, signal: AbortSignal, take: TakeEvents): Promise<void> {
    const call = await this.call(request, signal);
    try {
      while (!call.isOver) {
        const behind = take(await call.next());
        if (behind !== undefined) await behind;
      }
    } finally {
      call.end();
    }
  }

  private async call(request: ModelRequest, signal: AbortSignal): Promise<AnthropicCall> {
    const mender = new AnswerMender(request, this.profile);
    const admission = await this.gate.enter(request.model, signal);
    const attempt = new WatchedAttempt(signal, this.options.idleMs);
    try {
      const opening = this.open(request, attempt.signal, admission);
      await attempt.open(opening.then(({ body }) => body));
      const { requestId } = await opening;
      return new AnthropicCall(attempt, mender, admission, requestId);
    } catch (error) {
      attempt.close(false);
      admission.left();
      throw attempt.reason(error);
    }
  }

  private async open(request: ModelRequest, signal: AbortSignal, admission: Admission): Promise<Answer> {
    const asked = anthropicRequest(request, this.profile, this.limits(request.model).maxOutputTokens);
    const response = await this.client.beta.messages
      .create(asked, { signal })
      .asResponse()
      .catch((error: unknown) => {
        const failure = callError(error);
        if (error instanceof APIError && !signal.aborted) admission.failed(failure, error.headers);
        throw failure;
      });
    const type = response.headers.get('content-type') ?? 'no content type';
    const body = this.transport?.bodyOf(response) ?? (response.body && new WebBody(response.body));
    if (body === null || !type.startsWith('text/event-stream')) {
      throw wrongAnswerError(
        `The model's server answered with ${type.slice(0, 100)} where a stream was asked for.`,
      );
    }
    admission.answered(response.headers);
    return { body, requestId: response.headers.get('request-id') ?? undefined };
  }
}

/** An answer that has begun: its bytes are asked for piece by piece, and cost one promise each. */
class AnthropicCall {
  private readonly decoder: WireDecoder;

  constructor(
    private readonly attempt: WatchedAttempt,
    private readonly mender: AnswerMender,
    private readonly admission: Admission,
    private readonly requestId: string | undefined,
  ) {
    this.decoder = new WireDecoder(requestId);
  }

  /** The message is whole: nothing follows. */
  get isOver(): boolean {
    return this.decoder.finished;
  }

  /**
   * The events of the next bytes, which may be none. What came before a failure is handed out first.
   * @throws the caller's reason, or ModelError.
   */
  async next(): Promise<readonly ModelEvent[]> {
    const { attempt, decoder } = this;
    let bytes: Uint8Array | undefined;
    if (decoder.failure === null) {
      try {
        bytes = await attempt.read();
        if (bytes === undefined) decoder.end();
      } catch (error) {
        decoder.end(error);
      }
    }
    const events = bytes === undefined ? NOTHING : decoder.decode(bytes);
    const isFailed = events.length === 0 && decoder.failure !== null;
    if (isFailed || attempt.isCut) throw this.reason(decoder.failure);
    return events.map((event) => this.mender.mend(event));
  }

  /** Closes the connection, or keeps it for the next call when the message was whole. */
  end(): void {
    this.attempt.close(this.isOver);
    this.admission.left();
  }

  private reason(error: unknown): unknown {
    const reason = this.attempt.reason(error);
    if (reason instanceof ModelError) reason.requestId ??= this.requestId;
    return reason;
  }
}

/** Always one explicit choice: the SDK would look into the environment and for a profile on disk. */
function credentials({ apiKey, authToken }: AnthropicModelOptions, profile: Profile) {
  if (profile.credentials === 'x-api-key') {
    const key = apiKey ?? authToken;
    const version = { Authorization: null, 'anthropic-version': '2023-06-01' };
    return {
      apiKey: 'not-sent',
      defaultHeaders: { ...version, ...(key === undefined ? {} : { 'x-api-key': key }) },
    };
  }
  if (apiKey !== undefined) return { apiKey };
  if (authToken !== undefined) return { authToken };
  return { apiKey: 'not-sent', defaultHeaders: { Authorization: null } };
}
