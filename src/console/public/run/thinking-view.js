import { duration, reveal } from '../page/format.js';
import { element } from '../page/page.js';

/** Milliseconds below which pieces came all at once, whatever the model took. */
const AT_ONCE = 100;

/** What the model thinks, folded. */
export class ThinkingView {
  #title = element('summary', {}, 'Thinking');
  #body = element('div', { class: 'thinking-text', dir: 'auto' });
  #began = performance.now();

  /** @param {boolean} isTimed whether its pieces come as they are thought, and not all at once */
  constructor(isTimed) {
    this.isTimed = isTimed;
    this.element = element('details', { class: 'thinking' }, this.#title, this.#body);
  }

  /** @param {string} text all of it so far */
  paint(text, isWhole) {
    this.#body.textContent = reveal(text);
    if (!isWhole) return;
    const took = Math.round(performance.now() - this.#began);
    if (this.isTimed && took >= AT_ONCE) this.#title.textContent = `Thought for ${duration(took)}`;
  }
}
