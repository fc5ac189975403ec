/** Where the list of conversations is a drawer over the page, as in frame.css. */
const NARROW = matchMedia('(max-width: 48rem)');

/** The side of the page that is a drawer on a narrow screen: while it is open, nothing else takes the focus. */
export class Drawer {
  /**
   * @param {HTMLElement} app gets the class `menu-open`
   * @param {{ opener: HTMLElement, closer: HTMLElement, veil: HTMLElement, first: HTMLElement, rest: HTMLElement }} parts
   */
  constructor(app, { opener, closer, veil, first, rest }) {
    this.app = app;
    this.opener = opener;
    this.first = first;
    this.rest = rest;
    opener.addEventListener('click', () => this.open());
    closer.addEventListener('click', () => this.close());
    veil.addEventListener('click', () => this.close());
    NARROW.addEventListener('change', () => this.#show(false));
  }

  get isOpen() {
    return this.app.classList.contains('menu-open');
  }

  /** Shows the side where it is hidden; on a wide screen it always stands there. */
  open() {
    if (!NARROW.matches) return;
    this.#show(true);
    this.first.focus();
  }

  close() {
    if (!this.isOpen) return;
    this.#show(false);
    this.opener.focus();
  }

  #show(open) {
    this.app.classList.toggle('menu-open', open);
    this.rest.inert = open;
    this.opener.setAttribute('aria-expanded', String(open));
  }
}
