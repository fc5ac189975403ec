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
    this.box.scrollTop = this.box.scrollHeight;
  }
}
