import { element, moved, StreamedText } from '../page/page.js';
import { cost, reveal, tokens } from '../page/format.js';
import { AnswerView } from './answer-view.js';
import { ToolCard } from './tool-card.js';

const ENDINGS = {
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Stopped',
  copied: 'From another conversation',
};

/** Place of an event in its run: the last part of `<run_id>.<attempt>.<seq>`. */
const seqOf = (id) => Number(id.slice(id.lastIndexOf('.') + 1));

/** One run as it is seen: its events, drawn in order. */
export class RunView {
  #events = [];
  #cards = new Map();
  #blocks = element('div', { class: 'blocks' });
  #footer = element('p', { class: 'run-footer quiet' });
  #last = null;
  #model = '';

  /**
   * @param {(callId: string, decision: string) => Promise<boolean>} [decide]
   * @param {() => void} [onPaint] text was drawn, some time after its event
   */
  constructor(decide = async () => false, onPaint = () => undefined) {
    this.decide = decide;
    this.onPaint = onPaint;
    this.over = false;
    this.element = element(
      'article',
      { class: 'run', 'aria-label': 'Answer', 'aria-live': 'polite', 'aria-busy': 'true' },
      this.#blocks,
      this.#footer,
    );
    this.#showProgress('Waiting');
  }

  /** Draws one event. `reset` takes back what came after its place; an event seen before is left out. */
  apply(event) {
    if (event.type === 'reset') return this.#rewind(event.data);
    const previous = this.#events.at(-1);
    if (event.id && previous?.id && seqOf(event.id) <= seqOf(previous.id)) return undefined;
    this.#events.push(event);
    moved();
    return this.#draw(event);
  }

  #rewind({ after, reason }) {
    const kept = after === null ? [] : this.#events.filter((event) => seqOf(event.id) <= seqOf(after));
    this.#events = kept;
    this.#cards.clear();
    this.#endText();
    this.#blocks.replaceChildren();
    for (const event of kept) this.#draw(event);
    this.#append('p', 'note quiet', `Repeated from here: ${reveal(reason)}`);
  }

  #draw({ type, data }) {
    switch (type) {
      case 'run':
        this.#model = data.model;
        return this.#showProgress(
          { queued: 'Queued', running: 'Working', waiting: 'Waiting for you' }[data.status],
        );
      case 'token':
        return this.#write('answer', data.text);
      case 'thinking':
        return this.#write('thinking', data.text);
      case 'tool_call':
        return this.#card(data);
      case 'approval':
        return this.#card(data).askFor(data.expires_at, (decision) => this.decide(data.id, decision));
      case 'tool_result':
        return (this.#cards.get(data.id) ?? this.#card(data)).finish(data);
      case 'error':
        return this.#append(
          'p',
          'alarm',
          data.retryable ? `${reveal(data.error)} Trying again may help.` : reveal(data.error),
        );
      case 'done':
        return this.#end(data);
      default:
        return undefined;
    }
  }

  /** Text goes on in the block that is last, when it is of the same kind. Markdown is only what the model answers. */
  #write(kind, text) {
    if (this.#last?.kind !== kind) {
      this.#endText();
      const paint = kind === 'answer' ? this.#beginAnswer() : this.#beginThinking();
      const streamed = new StreamedText((whole, isWhole) => {
        paint(whole, isWhole);
        moved();
        if (this.element.isConnected) this.onPaint();
      });
      this.#last = { kind, streamed };
    }
    this.#last.streamed.append(text);
  }

  #endText() {
    this.#last?.streamed.end();
    this.#last = null;
  }

  #beginAnswer() {
    const answer = new AnswerView();
    this.#blocks.append(answer.element);
    return (text, isWhole) => answer.paint(text, isWhole);
  }

  #beginThinking() {
    const body = element('div', { class: 'thinking-text', dir: 'auto' });
    this.#blocks.append(element('details', { class: 'thinking' }, element('summary', {}, 'Thinking'), body));
    return (text) => {
      body.textContent = reveal(text);
    };
  }

  /** A card shows one call: another one gets its own, even under an id that was used before. */
  #card(call) {
    const known = this.#cards.get(call.id);
    if (known?.isOf(call)) return known;
    known?.abandon();
    const card = new ToolCard(call);
    this.#cards.set(call.id, card);
    this.#endText();
    this.#blocks.append(card.element);
    return card;
  }

  #append(tag, kind, content) {
    this.#endText();
    this.#blocks.append(element(tag, { class: kind, dir: 'auto' }, content));
  }

  #showProgress(words) {
    this.#footer.replaceChildren(element('span', { class: 'pulse', 'aria-hidden': 'true' }), words ?? '');
  }

  #end({ status, stop_reason, usage, cost_usd }) {
    this.over = true;
    this.#endText();
    for (const card of this.#cards.values()) card.abandon();
    this.element.setAttribute('aria-busy', 'false');
    const ending = stop_reason === 'max_tokens' ? 'Cut off at the length limit' : ENDINGS[status];
    const price = typeof cost_usd === 'number' ? cost(cost_usd) : null;
    this.#footer.textContent = [ending, this.#model, usage && tokens(usage), price]
      .filter(Boolean)
      .join(' · ');
  }
}
