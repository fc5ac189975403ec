import { bytes, exactJson, moment } from '../page/format.js';
import { element } from '../page/page.js';
import { contentOf, nameOf, placeOf, placesOf, wordsOf } from './wire-words.js';

/** Entries of a group that are drawn at once. */
const PAGE = 200;

/** Characters of a text that stand beside how many pieces it came in. */
const GLIMPSE = 80;

/** One row of the list: an entry, or a group of pieces of text. What is inside is made when it is opened. */
export class WireRow {
  #place = element('span', { class: 'wire-place' });
  #words = element('span', { class: 'wire-words' });
  #size = element('span', { class: 'wire-size' });
  #body = element('div', { class: 'wire-body' });
  /** How much of the row is drawn. */
  #drawn = 0;
  #inside = 0;

  constructor(row) {
    this.row = row;
    const [first] = row.entries;
    const summary = element(
      'summary',
      {},
      element('span', { class: 'wire-at' }, moment(first.at)),
      this.#place,
      element('span', { class: 'wire-name' }, nameOf(row)),
      this.#words,
      this.#size,
    );
    this.details = element('details', {}, summary, this.#body);
    this.details.open = row.isOpen ?? false;
    this.details.addEventListener('toggle', () => {
      row.isOpen = this.details.open;
      this.#fill();
    });
    this.element = element(
      'li',
      { class: 'wire-row', 'data-kind': row.kind, 'data-type': row.type },
      this.details,
    );
    this.refresh();
  }

  focus() {
    this.details.querySelector('summary').focus({ preventScroll: true });
  }

  /** The row may have grown. */
  refresh() {
    const { entries, size, taken } = this.row;
    if (this.#drawn === entries.length) return;
    this.#drawn = entries.length;
    this.#place.textContent = placesOf(this.row);
    const back = taken > 0 && taken < entries.length ? ` (${taken} taken back)` : '';
    this.#words.replaceChildren(wordsOf(this.row) + back);
    if (entries.length > 1) this.#words.append(element('span', { class: 'quiet' }, ` ${glimpse(entries)}`));
    this.#size.textContent = size > 0 ? bytes(size) : '';
    if (taken === entries.length) this.#strike();
    if (this.details.open) this.#fill();
  }

  #strike() {
    this.element.classList.add('taken');
    this.#words.prepend(element('span', { class: 'hidden-text' }, 'Taken back: '));
  }

  #fill() {
    const { entries } = this.row;
    if (!this.details.open || (this.#inside === entries.length && this.#inside > 0)) return;
    if (entries.length === 1) {
      this.#inside = 1;
      this.#body.replaceChildren(...inside(entries[0]));
      return;
    }
    if (this.#inside < PAGE) this.#more();
    else this.#offerMore();
  }

  /** The next page of a group. */
  #more() {
    const next = this.row.entries.slice(this.#inside, this.#inside + PAGE);
    this.#body.append(...next.map((entry) => piece(entry)));
    this.#inside += next.length;
    this.#offerMore();
  }

  #offerMore() {
    this.#body.querySelector('button')?.remove();
    const left = this.row.entries.length - this.#inside;
    if (left === 0) return;
    const onclick = () => this.#more();
    this.#body.append(element('button', { type: 'button', class: 'plain', onclick }, `Show more of ${left}`));
  }
}

function glimpse(entries) {
  let text = '';
  for (const { data } of entries) {
    if (text.length > GLIMPSE) break;
    text += data.text;
  }
  return exactJson(text.slice(0, GLIMPSE), 0);
}

function piece(entry) {
  return element(
    'p',
    { class: entry.taken ? 'wire-piece taken' : 'wire-piece' },
    element('span', { class: 'wire-at' }, moment(entry.at)),
    element('span', { class: 'wire-place' }, placeOf(entry.id)),
    element('span', { class: 'wire-words' }, contentOf(entry)),
    element('span', { class: 'wire-size' }, bytes(entry.size)),
  );
}

function inside({ id, data, at }) {
  const { error, ...rest } = data;
  const value = error instanceof Error ? { ...rest, error: error.message, status: error.status } : data;
  const head = id === null ? `after ${moment(at)} s` : `${id} · after ${moment(at)} s`;
  return [
    element('p', { class: 'quiet' }, head),
    element('pre', { dir: 'ltr', tabindex: '0' }, exactJson(value)),
  ];
}
