/**
 * A new element. Text is always text: no call here, or anywhere in the console, makes HTML of a string.
 * @param {string} tag
 * @param {Record<string, string | boolean | EventListener | undefined>} [attributes] `class`, `aria-…`,
 *   `onclick`, …; undefined and false: left out
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children);
  return node;
}

/** The element of the page with this id; it has to be there. */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`The page has no element ${id}`);
  return node;
}

let movedAt = -Infinity;

/** Something on the page has changed its place, or is about to: a click may meet what was not there before. */
export function moved() {
  movedAt = performance.now();
}

/** Milliseconds for which everything has stayed where it is. */
export function stillFor() {
  return performance.now() - movedAt;
}

const NEAR = 64;

/** Keeps the end of a growing box in view, unless the reader has scrolled away from it. */
export class EndFollower {
  #pinned = true;
  #frame = 0;

  /** @param {HTMLElement} box @param {HTMLElement} button leads back to the end; hidden at the end */
  constructor(box, button) {
    this.box = box;
    this.button = button;
    box.addEventListener('scroll', () => {
      this.#pinned = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
      button.hidden = this.#pinned;
    });
    button.addEventListener('click', () => this.toEnd());
  }

  /** The box has grown. */
  grown() {
    if (this.#pinned && this.#frame === 0) this.#frame = requestAnimationFrame(() => this.toEnd());
  }

  toEnd() {
    this.#frame = 0;
    this.#pinned = true;
    this.button.hidden = true;
    const before = this.box.scrollTop;
    this.box.scrollTop = this.box.scrollHeight;
    if (this.box.scrollTop !== before) moved();
  }
}

/** Painting takes one part of so many of the time. */
const SHARE = 4;

/** One frame, in milliseconds. */
const FRAME = 16;

/** A text that grows piece by piece, painted at animation frames: less often when a painting takes long. */
export class StreamedText {
  #text = '';
  #frame = 0;
  #timer = 0;
  #restUntil = 0;

  /** @param {(text: string, isWhole: boolean) => void} paint the whole text so far; nothing follows when it is whole */
  constructor(paint) {
    this.paint = paint;
  }

  append(text) {
    this.#text += text;
    if (this.#frame || this.#timer) return;
    const wait = this.#restUntil - performance.now();
    if (wait < FRAME) this.#nextFrame();
    else this.#timer = setTimeout(() => this.#nextFrame(), wait);
  }

  /** Paints it now; nothing may be appended any more. */
  end() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.paint(this.#text, true);
  }

  #nextFrame() {
    this.#timer = 0;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const begin = performance.now();
      this.paint(this.#text, false);
      const now = performance.now();
      this.#restUntil = now + SHARE * (now - begin);
    });
  }
}
