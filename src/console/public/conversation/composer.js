import { byId } from '../page/page.js';

/** Puts a text into the field, to be changed and sent. */
export function prefill(text) {
  const field = byId('message');
  field.value = text;
  field.focus();
  field.setSelectionRange(text.length, text.length);
}

/** The field for messages with its two buttons. What could not be sent stays in the field. */
export class Composer {
  #field = byId('message');
  #send = byId('send');
  #stop = byId('stop');
  #notice = byId('notice');
  #sending = false;
  #running = false;

  /**
   * @param {object} actions
   * @param {(text: string) => Promise<void>} actions.onSend
   * @param {() => Promise<void>} actions.onStop
   */
  constructor({ onSend, onStop }) {
    this.onSend = onSend;
    this.onStop = onStop;
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#field.addEventListener('keydown', (event) => {
      // While an input method composes, Enter chooses a word.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      void this.#submit();
    });
    this.#stop.addEventListener('click', () => void this.stop());
  }

  focus() {
    // On a touch screen the focus would open the keyboard over what is to be read.
    if (matchMedia('(pointer: fine)').matches) this.#field.focus();
  }

  /** Whether there is something to stop. */
  setBusy(busy) {
    this.#running = busy;
    this.#showBusy();
  }

  #showBusy() {
    this.busy = this.#running || this.#sending;
    if (!this.busy && document.activeElement === this.#stop) this.#field.focus();
    this.#stop.hidden = !this.busy;
    this.#stop.disabled = false;
  }

  /** A line above the field; empty takes it away. */
  tell(text) {
    this.#notice.textContent = text;
  }

  async stop() {
    if (!this.busy) return;
    this.#stop.disabled = true;
    await this.#attempt(() => this.onStop());
    this.#stop.disabled = false;
  }

  async #submit() {
    const text = this.#field.value;
    if (this.#sending || text.trim() === '') return;
    this.#sending = true;
    this.#send.disabled = true;
    const sent = await this.#attempt(() => this.onSend(text));
    this.#sending = false;
    this.#send.disabled = false;
    this.#showBusy();
    if (sent && this.#field.value === text) this.#field.value = '';
  }

  async #attempt(action) {
    this.tell('');
    try {
      await action();
      return true;
    } catch (error) {
      this.tell(error.message);
      return false;
    }
  }
}
