import { copyButton, copying } from '../page/copy.js';
import { count, duration, exactJson, json, reveal } from '../page/format.js';
import { element, moved } from '../page/page.js';
import { Decision } from './decision.js';

/** Characters above which a result is folded. */
const LONG = 1_500;

/** One tool call: what was asked for, how it went, and, where a person has to decide, the two buttons. */
export class ToolCard {
  #state = element('span', { class: 'tool-state' });
  #body = element('div', { class: 'tool-body' });
  #decision = null;
  #asked = null;

  constructor({ id, name, args }) {
    this.id = id;
    this.name = name;
    this.call = exactJson({ name, args });
    this.element = element(
      'details',
      { class: 'tool', 'data-state': 'running' },
      element(
        'summary',
        {},
        element('span', { class: 'tool-name' }, reveal(name)),
        element('span', { class: 'tool-args', dir: 'ltr' }, exactJson(args, 0)),
        this.#state,
      ),
      this.#body,
    );
    this.#body.append(...part('Arguments', exactJson(args), 'ltr', false));
    this.#show('running', 'running');
  }

  /** Whether this card shows exactly this call, and nothing has come of it yet. */
  isOf({ name, args }) {
    return this.isOpen && this.call === exactJson({ name, args });
  }

  get isOpen() {
    return ['running', 'waiting'].includes(this.element.dataset.state);
  }

  /**
   * Only for an `approval` of the log, and with its very arguments shown: nothing that a model writes leads here.
   * @param {((decision: 'approve' | 'deny') => Promise<boolean>) | null} decide null: others decide
   */
  askFor(expiresAt, decide) {
    this.#decision?.remove();
    this.#decision = null;
    this.#asked = { expiresAt, decide };
    this.#show('waiting', 'needs approval');
    this.element.open = true;
    if (!decide) return;
    this.#decision = new Decision(expiresAt, decide);
    this.#body.append(this.#decision.element);
  }

  /** The run goes on: what it had asked for is decided. */
  goOn() {
    if (this.element.dataset.state !== 'waiting') return;
    this.#decision?.remove();
    this.#decision = null;
    this.#show('running', 'running');
  }

  /** The run waits (again): so does this call, when it was asked for and has no result. */
  waitAgain() {
    if (this.#asked && this.element.dataset.state === 'running')
      this.askFor(this.#asked.expiresAt, this.#asked.decide);
  }

  /** `duration_ms` is unknown (undefined) for calls of the past. */
  finish({ result, is_error, duration_ms }) {
    this.#decision?.remove();
    const time = duration_ms === undefined ? '' : duration(duration_ms);
    this.#show(is_error ? 'failed' : 'finished', is_error ? `failed ${time}` : time || 'finished');
    this.#body.append(...part(is_error ? 'Error' : 'Result', pretty(result), 'auto', true));
  }

  /** The run is over and this call has no result. */
  abandon() {
    if (!this.isOpen) return;
    this.#decision?.remove();
    this.#show('failed', 'not finished');
  }

  /** A line below what was asked for and what came of it. */
  add(node) {
    this.#body.append(node);
  }

  #show(state, words) {
    this.element.dataset.state = state;
    this.#state.textContent = words;
  }
}

/** JSON in a text is spread over lines, where it is written as JSON usually is: nothing else would change. */
function pretty(result) {
  if (typeof result !== 'string' || !/^[[{]/.test(result)) return json(result);
  try {
    const value = JSON.parse(result);
    return JSON.stringify(value) === result ? json(value) : json(result);
  } catch {
    // It only looks like JSON.
    return json(result);
  }
}

function part(title, text, dir, isFolded) {
  const pre = element('pre', { dir, tabindex: '0' }, text);
  const copy = copyButton(
    'Copy',
    copying(() => text),
    { 'aria-label': `Copy ${title.toLowerCase()}` },
  );
  const head = element('div', { class: 'tool-head' }, element('h3', {}, title), copy);
  if (isFolded && text.length > LONG) copy.before(unfolding(pre, text.length));
  return [head, pre];
}

function unfolding(pre, length) {
  const onclick = () => {
    moved();
    const isWhole = pre.classList.toggle('whole');
    button.setAttribute('aria-expanded', String(isWhole));
    button.textContent = words(isWhole);
  };
  const words = (isWhole) => (isWhole ? 'Show less' : `Show all ${count(length)} characters`);
  const attributes = { type: 'button', class: 'plain', 'aria-expanded': 'false', onclick };
  const button = element('button', attributes, words(false));
  return button;
}
