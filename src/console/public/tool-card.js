import { element } from './page.js';
import { duration, json } from './format.js';

/** One tool call: what was asked for, how it went, and, where a person has to decide, the two buttons. */
export class ToolCard {
  #state = element('span', { class: 'tool-state' });
  #body = element('div', { class: 'tool-body' });
  #decision = null;

  constructor({ name, args }) {
    this.element = element(
      'details',
      { class: 'tool', 'data-state': 'running' },
      element(
        'summary',
        {},
        element('span', { class: 'tool-name' }, name),
        element('span', { class: 'tool-args', dir: 'auto' }, json(args, 0)),
        this.#state,
      ),
      this.#body,
    );
    this.#body.append(...part('Arguments', json(args)));
    this.#show('running', 'running');
  }

  /** @param {(decision: 'approve' | 'deny') => Promise<boolean>} decide resolves to false when it did not work */
  askFor(expiresAt, decide) {
    this.#show('waiting', 'needs approval');
    this.element.open = true;
    const buttons = ['approve', 'deny'].map((decision) =>
      element(
        'button',
        {
          type: 'button',
          class: decision === 'approve' ? 'primary' : '',
          onclick: () => void choose(decision),
        },
        decision === 'approve' ? 'Approve' : 'Deny',
      ),
    );
    const choose = async (decision) => {
      for (const button of buttons) button.disabled = true;
      const decided = await decide(decision);
      for (const button of buttons) button.disabled = decided;
    };
    const until = new Date(expiresAt).toLocaleTimeString();
    this.#decision = element(
      'div',
      { class: 'decision' },
      `Run this call? Decide before ${until}.`,
      ...buttons,
    );
    this.#body.append(this.#decision);
  }

  /** `duration_ms` is unknown (undefined) for calls of the past. */
  finish({ result, is_error, duration_ms }) {
    this.#decision?.remove();
    const time = duration_ms === undefined ? '' : duration(duration_ms);
    this.#show(is_error ? 'failed' : 'finished', is_error ? `failed ${time}` : time || 'finished');
    this.#body.append(...part(is_error ? 'Error' : 'Result', json(result)));
  }

  /** The run is over and this call has no result. */
  abandon() {
    if (this.element.dataset.state === 'running' || this.element.dataset.state === 'waiting') {
      this.#decision?.remove();
      this.#show('failed', 'not finished');
    }
  }

  #show(state, words) {
    this.element.dataset.state = state;
    this.#state.textContent = words;
  }
}

function part(title, text) {
  return [element('h3', {}, title), element('pre', { dir: 'auto', tabindex: '0' }, text)];
}
