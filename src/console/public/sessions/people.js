import { call } from '../page/api.js';

const PAGE = 100;
/** So many pages are read: in a larger tenant people are named by their ids. */
const PAGES = 5;

/** Users of the tenant, whom administrators alone may list: their addresses by their ids. */
export class People {
  #user = null;
  #emails = new Map();

  signedIn(user) {
    this.#user = user;
    this.#emails = new Map();
  }

  get isKnown() {
    return this.#user?.roles.includes('admin') ?? false;
  }

  /** Reads them anew, for who may. */
  async load() {
    if (!this.isKnown) return;
    let cursor;
    for (let page = 0; page < PAGES && cursor !== null; page += 1) {
      const query = new URLSearchParams({ limit: String(PAGE), ...(cursor ? { cursor } : {}) });
      const answer = await call('GET', `/api/admin/users?${query}`);
      for (const { id, email } of answer.data) if (email !== null) this.#emails.set(id, email);
      cursor = answer.next_cursor;
    }
  }

  nameOf(id) {
    return this.#emails.get(id) ?? id;
  }

  /**
   * The id of who is named by id or address.
   * @throws {Error} for an address that cannot be looked up; a share with nobody would look like one with somebody
   */
  idOf(named) {
    for (const [id, email] of this.#emails) if (email === named.toLowerCase()) return id;
    // Where an identity provider gives addresses as ids, the own id is one too.
    if (!named.includes('@') || this.#user?.id.includes('@')) return named;
    throw new Error(
      this.isKnown
        ? 'There is no user with this address in your tenant.'
        : 'Only administrators can look up an address. Ask for the user id: it stands under Account.',
    );
  }
}
