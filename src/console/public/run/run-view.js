import { element, moved, StreamedText } from '../page/page.js';
import { reveal } from '../page/format.js';
import { AnswerView } from './answer-view.js';
import { changes, CHANGING } from './changes.js';
import { RunFooter } from './run-footer.js';
import { linkSubAgent, STARTING } from './sub-agents.js';
import { ThinkingView } from './thinking-view.js';
import { ToolCard } from './tool-card.js';

const PROGRESS = { queued: 'Queued', running: 'Working', waiting: 'Waiting for you' };

/** Place of an event in its run: the last part of `<run_id>.<attempt>.<seq>`. */
const seqOf = (id) => Number(id.slice(id.lastIndexOf('.') + 1));

/** One run as it is seen: its events, drawn in order. What a `reset` takes back is not seen any more. */
export class RunView {
  #events = [];
  #cards = new Map();
  #blocks = element('div', { class: 'blocks' });
  #last = null;
  #status = null;
  #model = '';

  /**
   * @param {object} [options]
   * @param {string} [options.id] of the run; none: it was copied from another conversation
   * @param {boolean} [options.isTimed] its events come as they happen
   * @param {(callId: string, decision: string) => Promise<boolean>} [options.decide] missing: others decide
   * @param {() => void} [options.onPaint] text was drawn, some time after its event
   * @param {() => void} [options.showWire]
   * @param {() => void} [options.retry]
   */
  constructor({ id = '', isTimed = false, decide, onPaint = () => undefined, showWire, retry } = {}) {
    Object.assign(this, { id, isTimed, decide, onPaint });
    this.over = false;
    this.footer = new RunFooter({ read: () => this.text, showWire, retry, onUnfold: onPaint });
    this.element = element(
      'article',
      { class: 'run', 'aria-label': 'Answer', 'aria-live': 'polite', 'aria-busy': 'true' },
      this.#blocks,
      this.footer.element,
    );
    this.footer.progress('Waiting');
  }

  /** The answer as the model wrote it, over all its turns. */
  get text() {
    const texts = [''];
    for (const { type, data } of this.#events) {
      if (type === 'token') texts[texts.length - 1] += data.text;
      else if (texts.at(-1) !== '' && type !== 'run') texts.push('');
    }
    return texts.filter((text) => text.trim() !== '').join('\n\n');
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
    this.footer.progress(`Working again on a part: ${reveal(reason)}`);
  }

  /** It cannot be followed any more. */
  lose(words) {
    this.over = true;
    this.#close();
    this.footer.lost(words);
  }

  /** Of a run that is over: what the API says of it, which is more than its last event did. */
  tell({ created_at, ended_at, ...run }) {
    this.footer.end({
      ...run,
      took: ended_at === null ? undefined : Date.parse(ended_at) - Date.parse(created_at),
    });
  }

  #draw({ type, data }) {
    switch (type) {
      case 'run':
        return this.#proceed(data);
      case 'token':
        return this.#write('answer', data.text);
      case 'thinking':
        return this.#write('thinking', data.text);
      case 'tool_call':
        return this.#card(data);
      case 'approval':
        return this.#ask(data);
      case 'tool_result':
        return this.#finish(data);
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
      const block = kind === 'answer' ? new AnswerView() : new ThinkingView(this.isTimed);
      this.#blocks.append(block.element);
      const streamed = new StreamedText((whole, isWhole) => {
        block.paint(whole, isWhole);
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

  /** A run that has waited and works again has all decisions that it had asked for. */
  #proceed({ status, model }) {
    this.#model = model;
    const before = this.#status;
    this.#status = status;
    for (const card of this.#cards.values()) {
      if (status === 'waiting') card.waitAgain();
      else if (before === 'waiting') card.goOn();
    }
    this.footer.progress(PROGRESS[status] ?? '');
  }

  #ask(call) {
    const { decide } = this;
    this.#card(call).askFor(call.expires_at, decide ? (decision) => decide(call.id, decision) : null);
  }

  #finish(outcome) {
    const card = this.#cards.get(outcome.id) ?? this.#card(outcome);
    card.finish(outcome);
  }

  /** A card shows one call: another one gets its own, even under an id that was used before. */
  #card(call) {
    const known = this.#cards.get(call.id);
    if (known?.isOf(call)) return known;
    known?.abandon();
    const card = new ToolCard(call);
    if (call.name === STARTING && this.id) linkSubAgent(this.id, card);
    this.#cards.set(call.id, card);
    this.#endText();
    this.#blocks.append(card.element);
    return card;
  }

  #append(tag, kind, content) {
    this.#endText();
    this.#blocks.append(element(tag, { class: kind, dir: 'auto' }, content));
  }

  #close() {
    this.#endText();
    for (const card of this.#cards.values()) card.abandon();
    this.element.setAttribute('aria-busy', 'false');
  }

  #end(done) {
    this.over = true;
    this.#close();
    if (this.id && [...this.#cards.values()].some(({ name }) => CHANGING.includes(name)))
      this.#blocks.append(changes(this.id));
    this.footer.end({ ...done, id: this.id, model: this.#model });
  }
}
