import { element, stillFor } from '../page/page.js';
import { duration, exactJson, json, reveal } from '../page/format.js';

/** Milliseconds for which buttons and all around them must have stood still before they decide anything. */
const STILL = 500;

/** One tool call: what was asked for, how it went, and, where a person has to decide, the two buttons. */
export class ToolCard {
  #state = element('span', { class: 'tool-state' });
  #body = element('div', { class: 'tool-body' });
  #decision = null;

  constructor({ name, args }) {
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
    this.#body.append(...part('Arguments', exactJson(args), 'ltr'));
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
   * @param {(decision: 'approve' | 'deny') => Promise<boolean>} decide resolves to false when it did not work
   */
  askFor(expiresAt, decide) {
    this.#decision?.remove();
    this.#show('waiting', 'needs approval');
    this.element.open = true;
    const choose = async (decision) => {
      for (const button of buttons) button.disabled = true;
      const decided = await decide(decision);
      for (const button of buttons) button.disabled = decided;
    };
    const buttons = [
      decisionButton('Approve', 'primary', () => choose('approve')),
      decisionButton('Deny', '', () => choose('deny')),
    ];
    const until = new Date(expiresAt).toLocaleTimeString();
    const question = `Run this call? Decide before ${until}.`;
    this.#decision = element('div', { class: 'decision', role: 'group', 'aria-label': question }, question);
    this.#decision.append(...buttons);
    this.#body.append(this.#decision);
  }

  /** `duration_ms` is unknown (undefined) for calls of the past. */
  finish({ result, is_error, duration_ms }) {
    this.#decision?.remove();
    const time = duration_ms === undefined ? '' : duration(duration_ms);
    this.#show(is_error ? 'failed' : 'finished', is_error ? `failed ${time}` : time || 'finished');
    this.#body.append(...part(is_error ? 'Error' : 'Result', json(result), 'auto'));
  }

  /** The run is over and this call has no result. */
  abandon() {
    if (!this.isOpen) return;
    this.#decision?.remove();
    this.#show('failed', 'not finished');
  }

  #show(state, words) {
    this.element.dataset.state = state;
    this.#state.textContent = words;
  }
}

/** Takes no click before it could be seen where it is, and none that a script makes up. */
function decisionButton(words, kind, choose) {
  const onclick = (event) => {
    if (event.isTrusted && stillFor() >= STILL) void choose();
  };
  const button = element('button', { type: 'button', class: kind, 'aria-disabled': 'true', onclick }, words);
  const wake = () => {
    const left = STILL - stillFor();
    if (left <= 0) button.removeAttribute('aria-disabled');
    else setTimeout(wake, left);
  };
  setTimeout(wake, STILL);
  return button;
}

function part(title, text, dir) {
  return [element('h3', {}, title), element('pre', { dir, tabindex: '0' }, text)];
}
