import { call } from '../page/api.js';
import { byId, element } from '../page/page.js';
import { reveal, when } from '../page/format.js';

const PAGE = 30;
const MOST = 100;

/** Milliseconds without a key until what was typed is searched for. */
const PAUSE = 200;

/**
 * Sessions as links, newest first: the own ones or those that others show, all or those with some words in their
 * title. The address of the page says which one is open.
 */
export class SessionList {
  #list = byId('sessions');
  #older = byId('older-sessions');
  #none = byId('no-sessions');
  #search = byId('search');
  #tabs = { false: byId('list-own'), true: byId('list-shared') };
  #isShared = false;
  #cursor = null;
  #current = null;
  #asked = 0;
  #timer = 0;

  /** @param {(error: Error) => void} onError */
  constructor(onError) {
    this.onError = onError;
    this.#older.addEventListener('click', () => void this.#load(PAGE, this.#cursor).catch(onError));
    this.#search.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#anew(), PAUSE);
    });
    this.#search.addEventListener('keydown', (event) => this.#leaveSearch(event));
    byId('search-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#anew();
    });
    for (const isShared of [false, true])
      this.#tabs[isShared].addEventListener('click', () => this.#choose(isShared));
  }

  /** Reads what is listed anew; as much as is shown. */
  async refresh() {
    const shown = this.#list.childElementCount;
    await this.#load(Math.min(MOST, Math.max(PAGE, shown)), null);
  }

  /** As for somebody who has just come: nothing is searched for, nothing of anybody else is left. */
  reset() {
    this.#asked += 1;
    clearTimeout(this.#timer);
    this.#search.value = '';
    this.#list.replaceChildren();
    this.#none.textContent = '';
    this.#cursor = null;
    this.#older.hidden = true;
    this.#press(false);
  }

  /** Marks the session that is shown; null: none of them. */
  mark(sessionId) {
    this.#current = sessionId;
    for (const link of this.#links()) {
      if (link.hash === `#${sessionId}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  /** Opens the session that stands so many places below the one that is shown; above: less than 0. */
  go(step) {
    const links = this.#links();
    const place = links.findIndex(({ hash }) => hash === `#${this.#current}`);
    const next = place === -1 ? links[0] : links[place + step];
    if (!next) return;
    location.hash = next.hash;
    next.scrollIntoView({ block: 'nearest' });
  }

  /** Whether somebody is in the field for searching. */
  get isSearching() {
    return document.activeElement === this.#search;
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  #links() {
    return Array.from(this.#list.querySelectorAll('a'));
  }

  #choose(isShared) {
    this.#press(isShared);
    this.#list.replaceChildren();
    this.#anew();
  }

  #press(isShared) {
    this.#isShared = isShared;
    for (const each of [false, true])
      this.#tabs[each].setAttribute('aria-pressed', String(each === isShared));
  }

  #anew() {
    clearTimeout(this.#timer);
    void this.#load(PAGE, null).catch(this.onError);
  }

  /** Escape takes back what was searched for, and stops nothing. */
  #leaveSearch(event) {
    if (event.key !== 'Escape' || event.isComposing || this.#search.value === '') return;
    event.preventDefault();
    this.#search.value = '';
    this.#anew();
  }

  async #load(limit, cursor) {
    const asked = (this.#asked += 1);
    const words = this.#search.value.trim();
    const query = new URLSearchParams({
      limit: String(limit),
      ...(this.#isShared ? { shared: 'true' } : {}),
      ...(words === '' ? {} : { q: words }),
      ...(cursor === null ? {} : { cursor }),
    });
    const { data, next_cursor } = await call('GET', `/api/agent/sessions?${query}`);
    // Something else was asked for meanwhile.
    if (asked !== this.#asked) return;
    this.#show(data.map(item), cursor === null);
    this.#cursor = next_cursor;
    this.#older.hidden = !next_cursor;
    this.#none.textContent = this.#list.childElementCount > 0 ? '' : this.#nothing(words);
  }

  /** Whoever has come to a link with the keyboard stays on it. */
  #show(items, isFirst) {
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.hash : null;
    if (isFirst) this.#list.replaceChildren(...items);
    else this.#list.append(...items);
    this.mark(this.#current);
    if (focused === null) return;
    const again = this.#links().find(({ hash }) => hash === focused);
    if (again) again.focus({ preventScroll: true });
  }

  #nothing(words) {
    if (words !== '') return 'No title has these words.';
    return this.#isShared ? 'Nobody shows you a conversation yet.' : 'Nothing yet.';
  }
}

function item(session) {
  const title = element('bdi', { class: 'session-title' }, reveal(session.title || 'Untitled'));
  const time = element('time', { datetime: session.created_at }, when(session.created_at));
  const facts = element('small', { class: 'quiet' }, time);
  if (session.access === 'viewer') facts.prepend(element('bdi', {}, ownerOf(session)), ' · ');
  return element('li', {}, element('a', { href: `#${session.id}` }, title, facts));
}

/** Whose session it is, in the words that are known. */
export function ownerOf(session) {
  return reveal(session.owner_email ?? session.owner_id);
}
