import type { ContentBlock, ModelEvent, ModelRequest } from '../language-model.js';
import { estimateTokens } from '../estimate-tokens.js';
import { CallIds } from './call-ids.js';
import type { Profile } from './profiles.js';

/** Rough length of a token in characters of English text. */
const CHARACTERS_A_TOKEN = 4;

/**
 * Makes up for what a server leaves out of one answer: ids that are unique, and usage. Where ids are unique by
 * contract, a second call of the same id is the first one told twice, and is not handed on as a block: a history
 * with both would be refused for ever.
 */
export class AnswerMender {
  private readonly ids: CallIds | undefined;
  private readonly called = new Set<unknown>();
  private received = 0;

  constructor(
    private readonly request: ModelRequest,
    private readonly profile: Profile,
  ) {
    this.ids = profile.idsMayRepeat ? new CallIds(request.messages, request.callSuffix) : undefined;
  }

  mend(event: ModelEvent): ModelEvent {
    switch (event.type) {
      case 'text':
      case 'thinking':
        this.received += event.text.length;
        return event;
      case 'block':
        if (this.ids !== undefined) return { ...event, content: this.named(event.content, this.ids) };
        return this.isRepeated(event.content) ? { type: 'unknown', raw: event.content } : event;
      case 'stop': {
        const { input_tokens, output_tokens, cache_read_input_tokens } = event.usage;
        const isTold = input_tokens + output_tokens + cache_read_input_tokens > 0;
        return isTold || !this.profile.usageMayBeMissing ? event : this.estimated(event);
      }
      default:
        return event;
    }
  }

  private named(content: ContentBlock, ids: CallIds): ContentBlock {
    if (content.input !== undefined) this.received += JSON.stringify(content.input).length;
    return ids.unique(content);
  }

  private isRepeated({ type, id }: ContentBlock): boolean {
    if (type !== 'tool_use') return false;
    const isRepeated = this.called.has(id);
    this.called.add(id);
    return isRepeated;
  }

  private estimated(event: ModelEvent & { type: 'stop' }): ModelEvent {
    const usage = {
      ...event.usage,
      input_tokens: estimateTokens(this.request),
      output_tokens: Math.ceil(this.received / CHARACTERS_A_TOKEN),
    };
    return { ...event, usage, estimated: true };
  }
}
