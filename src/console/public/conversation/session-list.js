import { call } from '../page/api.js';
import { byId, element } from '../page/page.js';
import { reveal, when } from '../page/format.js';

const PAGE = 30;

/** The own sessions, newest first, as links; the address of the page says which one is open. */
export class SessionList {
  #list = byId('sessions');
  #older = byId('older-sessions');
  #cursor = null;
  #current = null;

  /** @param {(error: Error) => void} onError */
  constructor(onError) {
    this.#older.addEventListener('click', () => void this.#load().catch(onError));
  }

  /** Reads the list anew, from its first page. */
  async refresh() {
    this.#cursor = null;
    await this.#load();
  }

  /** Marks the session that is shown; null: none of them. */
  mark(sessionId) {
    this.#current = sessionId;
    for (const link of this.#list.querySelectorAll('a')) {
      if (link.hash === `#${sessionId}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  async #load() {
    const first = this.#cursor === null;
    const query = new URLSearchParams({ limit: String(PAGE), ...(first ? {} : { cursor: this.#cursor }) });
    const { data, next_cursor } = await call('GET', `/api/agent/sessions?${query}`);
    const items = data.map((session) => item(session));
    if (first) this.#list.replaceChildren(...items);
    else this.#list.append(...items);
    this.#cursor = next_cursor;
    this.#older.hidden = !next_cursor;
    this.mark(this.#current);
  }
}

function item(session) {
  const title = element('bdi', { class: 'session-title' }, reveal(session.title || 'Untitled'));
  const time = element('time', { class: 'quiet', datetime: session.created_at }, when(session.created_at));
  return element('li', {}, element('a', { href: `#${session.id}` }, title, time));
}
