import { duration } from '../page/format.js';
import { element, stillFor } from '../page/page.js';

/** Milliseconds for which buttons and all around them must have stood still before they decide anything. */
const STILL = 500;

/**
 * The question whether a call may run, with its two buttons and the time that is left. The clock of this computer may
 * be wrong, so the buttons stay: the server knows when it is too late.
 */
export class Decision {
  #left = element('p', { class: 'decision-left quiet', role: 'timer', 'aria-live': 'off' });
  #timer = 0;
  #buttons;

  /**
   * @param {string} expiresAt RFC 3339
   * @param {(decision: 'approve' | 'deny') => Promise<boolean>} decide resolves to false when it did not work
   */
  constructor(expiresAt, decide) {
    this.expiresAt = Date.parse(expiresAt);
    this.decide = decide;
    this.#buttons = [
      decisionButton('Approve', 'primary', () => this.#choose('approve')),
      decisionButton('Deny', '', () => this.#choose('deny')),
    ];
    const question = 'Run this call?';
    this.element = element(
      'div',
      { class: 'decision', role: 'group', 'aria-label': question },
      element('p', {}, question),
      ...this.#buttons,
      // Below what is clicked, on one line: it must not move anything.
      this.#left,
    );
    this.#tick();
    // What it stands in may have been taken away as a whole.
    this.#timer = setInterval(() => (this.element.isConnected ? this.#tick() : this.remove()), 1_000);
  }

  remove() {
    clearInterval(this.#timer);
    this.element.remove();
  }

  async #choose(decision) {
    for (const button of this.#buttons) button.disabled = true;
    const decided = await this.decide(decision);
    for (const button of this.#buttons) button.disabled = decided;
  }

  #tick() {
    const left = Math.floor((this.expiresAt - Date.now()) / 1000) * 1000;
    this.#left.textContent =
      left > 0
        ? `${duration(left).replace('.0 s', ' s')} left, until ${new Date(this.expiresAt).toLocaleTimeString()}`
        : 'The time to decide is over.';
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
