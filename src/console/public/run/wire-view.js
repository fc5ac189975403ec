import { copyButton, copyText } from '../page/copy.js';
import { bytes, count } from '../page/format.js';
import { byId, element, moved } from '../page/page.js';
import { KINDS } from './wire-log.js';
import { WireRow } from './wire-row.js';

/** Rows that are drawn at once; earlier ones when they are asked for. */
const DRAWN = 300;

/** Pixels from the end at which the list follows it. */
const NEAR = 40;

/** Where it lies over the conversation, as in wire.css. */
const NARROW = matchMedia('(max-width: 72rem)');

const NAMES = { text: 'Text', tools: 'Tools', run: 'Run', connection: 'Connection' };

/** A drawer with all that came over the wire for one run, while it comes. It draws only what has changed. */
export class WireView {
  #drawer = byId('wire');
  #opener = byId('open-wire');
  #list = byId('wire-rows');
  #summary = byId('wire-summary');
  #earlier = byId('wire-earlier');
  #copy;
  #log = null;
  #shown = new Set(Object.keys(KINDS));
  #most = DRAWN;
  /** The rows that are drawn, and of which log, how far and in which state that is true. */
  #rows = [];
  #drawn = null;
  #read = 0;
  #rewritten = 0;
  #frame = 0;

  constructor() {
    this.#opener.addEventListener('click', () => (this.isOpen ? this.close() : this.open()));
    byId('close-wire').addEventListener('click', () => this.close());
    this.#drawer.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      // Elsewhere it stops the run.
      event.stopPropagation();
      this.close();
    });
    NARROW.addEventListener('change', () => this.#cover());
    this.#earlier.addEventListener('click', () => {
      this.#most *= 2;
      this.#paint(true);
    });
    byId('wire-kinds').append(...Object.keys(KINDS).map((kind) => this.#filter(kind)));
    const copy = async () => ((await copyText(this.#log?.lines() ?? '')) ? 'Copied' : 'Not copied');
    this.#copy = copyButton('Copy as JSON lines', copy);
    byId('close-wire').before(this.#copy);
  }

  get isOpen() {
    return !this.#drawer.hidden;
  }

  /** Shows this log from now on; null: there is none. */
  show(log) {
    if (this.#log === log) return;
    this.#log = log;
    this.#most = DRAWN;
    this.changed(log);
  }

  /** @param {object | null} [log] when given, it opens with this one */
  open(log = this.#log) {
    this.show(log);
    moved();
    this.#drawer.hidden = false;
    this.#cover();
    this.#opener.setAttribute('aria-expanded', 'true');
    this.#paint(true);
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#list.focus();
  }

  close() {
    const hadFocus = this.#drawer.contains(document.activeElement);
    moved();
    this.#drawer.hidden = true;
    this.#cover();
    this.#opener.setAttribute('aria-expanded', 'false');
    if (hadFocus) this.#opener.focus();
  }

  /** Something was added to this log. */
  changed(log) {
    if (log !== this.#log || !this.isOpen || this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint(false);
    });
  }

  /** What it lies over takes no focus. */
  #cover() {
    for (const node of this.#drawer.parentElement.children)
      if (node !== this.#drawer) node.inert = this.isOpen && NARROW.matches;
  }

  #filter(kind) {
    const toggle = () => {
      if (!this.#shown.delete(kind)) this.#shown.add(kind);
      button.setAttribute('aria-pressed', String(this.#shown.has(kind)));
      this.#paint(true);
    };
    const attributes = { type: 'button', 'aria-pressed': 'true', 'data-kind': kind, onclick: toggle };
    const button = element('button', attributes, NAMES[kind]);
    return button;
  }

  #paint(isAnew) {
    const log = this.#log;
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR;
    const isOther = log !== this.#drawn || log?.rewritten !== this.#rewritten;
    if (isAnew || isOther || this.#rows.length > 2 * this.#most) this.#drawAll(log);
    else this.#drawNew(log);
    this.#summary.textContent = log ? summaryOf(log) : 'Nothing yet: it is told while a run is shown.';
    this.#copy.hidden = !log;
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** Whoever has come to a row with the keyboard stays on it, or in the list when it is not there any more. */
  #drawAll(log) {
    const focused = document.activeElement;
    const hadFocus = this.#list.contains(focused) && focused !== this.#list;
    const left = this.#rows.find((row) => row.element.contains(focused))?.row;
    const all = (log?.rows ?? []).filter(({ kind }) => this.#shown.has(kind));
    this.#rows = all.slice(-this.#most).map((row) => new WireRow(row));
    this.#earlier.hidden = all.length <= this.#most;
    this.#list.replaceChildren(...this.#rows.map((row) => row.element));
    this.#read = log?.rows.length ?? 0;
    this.#rewritten = log?.rewritten;
    this.#drawn = log;
    if (!hadFocus) return;
    const again = this.#rows.find(({ row }) => row === left);
    if (again) again.focus();
    else this.#list.focus({ preventScroll: true });
  }

  /** The row that was the last may have grown. */
  #drawNew(log) {
    this.#rows.at(-1)?.refresh();
    for (const row of log?.rows.slice(this.#read) ?? []) {
      if (!this.#shown.has(row.kind)) continue;
      const drawn = new WireRow(row);
      this.#rows.push(drawn);
      this.#list.append(drawn.element);
    }
    this.#read = log?.rows.length ?? 0;
  }
}

function summaryOf({ events, size, reconnects }) {
  const times = reconnects === 1 ? '1 reconnect' : `${count(reconnects)} reconnects`;
  return `${count(events)} events · ${bytes(size)} · ${times}`;
}
