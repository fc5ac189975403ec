import { Anthropic } from '@anthropic-ai/sdk';
import { LanguageModel, ModelError, type ModelEvent, type ModelRequest } from '../language-model.js';
import { callError, protocolError } from './anthropic-errors.js';
import { anthropicRequest } from './anthropic-request.js';
import { WatchedAttempt } from './watched-attempt.js';
import { WireDecoder } from './wire-decoder.js';

export interface AnthropicModelOptions {
  defaultModel: string;
  /** Without `/v1`; the provider's own when not given. */
  baseUrl?: string | undefined;
  /** Comes before `authToken`; with neither, no credentials are sent. */
  apiKey?: string | undefined;
  authToken?: string | undefined;
  /** Silence of the connection after which the attempt is given up, in milliseconds. */
  idleMs: number;
  /** For people: who this is. */
  label?: string;
  /** Whether `defaultModel` answers whatever is asked for. */
  isOnlyModel?: boolean;
}

/** A server that speaks Anthropic's Messages API: theirs, a gateway, a local one, or our offline stand-in. */
export class AnthropicModel extends LanguageModel {
  readonly defaultModel: string;
  private readonly client: Anthropic;

  constructor(private readonly options: AnthropicModelOptions) {
    super();
    this.defaultModel = options.defaultModel;
    this.client = new Anthropic({
      ...credentials(options),
      baseURL: options.baseUrl ?? 'https://api.anthropic.com',
      maxRetries: 0,
      // Ours fires first: the SDK's ends with the headers.
      timeout: options.idleMs + 60_000,
      openTelemetry: false,
      // ANTHROPIC_LOG=debug would print what users wrote.
      logLevel: 'warn',
    });
  }

  override resolve(asked: string | null): string {
    return this.options.isOnlyModel === true ? this.defaultModel : super.resolve(asked);
  }

  describe(): string {
    return `${this.options.label ?? "Anthropic's Messages API"} at ${new URL(this.client.baseURL).origin}`;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void, void> {
    signal.throwIfAborted();
    const attempt = new WatchedAttempt(signal, this.options.idleMs);
    const decoder = new WireDecoder();
    try {
      await attempt.open(this.open(request, attempt.signal));
      while (!decoder.finished) {
        for (const event of await nextEvents(attempt, decoder)) {
          signal.throwIfAborted();
          yield event;
        }
        if (decoder.failure !== null) throw decoder.failure;
      }
    } catch (error) {
      throw attempt.reason(error);
    } finally {
      attempt.close(decoder.finished);
    }
  }

  private async open(request: ModelRequest, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.client.beta.messages
      .create(anthropicRequest(request), { signal })
      .asResponse()
      .catch((error: unknown) => {
        throw callError(error);
      });
    const type = response.headers.get('content-type') ?? 'no content type';
    if (response.body === null || !type.startsWith('text/event-stream')) {
      throw protocolError(
        `The model's server answered with ${type.slice(0, 100)} where a stream was asked for.`,
      );
    }
    return response.body;
  }
}

async function nextEvents(attempt: WatchedAttempt, decoder: WireDecoder): Promise<ModelEvent[]> {
  try {
    const bytes = await attempt.read();
    if (bytes !== undefined) return decoder.decode(bytes);
    decoder.end();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    decoder.end(error);
  }
  return [];
}

/** Always one explicit choice: the SDK would look into the environment and for a profile on disk. */
function credentials({ apiKey, authToken }: AnthropicModelOptions) {
  if (apiKey !== undefined) return { apiKey };
  if (authToken !== undefined) return { authToken };
  return { apiKey: 'not-sent', defaultHeaders: { Authorization: null } };
}
