import { call } from '../page/api.js';
import { attempt, closeMenus, openDialog } from '../page/dialog.js';
import { byId } from '../page/page.js';
import { reveal } from '../page/format.js';

/** What its owner can do with the conversation that is shown: rename, fork, delete. */
export class SessionActions {
  #session = null;
  #rename = byId('rename-dialog');
  #delete = byId('delete-dialog');

  /**
   * @param {object} listener
   * @param {(session: object) => void} listener.onChanged it has another title
   * @param {(sessionId: string) => void} listener.onMade there is another session now, to be shown
   * @param {(sessionId: string) => void} listener.onGone it does not exist any more
   * @param {(error: Error) => void} listener.onError
   */
  constructor(listener) {
    this.listener = listener;
    byId('rename').addEventListener('click', () => this.#askForTitle());
    byId('fork').addEventListener('click', () => {
      closeMenus();
      void this.#fork();
    });
    byId('delete').addEventListener('click', () => this.#askToDelete());
    byId('rename-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#saveTitle();
    });
    byId('delete-now').addEventListener('click', () => void this.#deleteNow());
  }

  /** @param {object | null} session null: none that could be changed */
  show(session) {
    this.#session = session;
  }

  /** Copies the whole conversation, and shows the copy. */
  async #fork() {
    const session = this.#session;
    if (session === null) return;
    try {
      const copy = await call('POST', `${pathOf(session)}/fork`, {});
      this.listener.onMade(copy.id);
    } catch (error) {
      this.listener.onError(error);
    }
  }

  #askForTitle() {
    byId('rename-error').textContent = '';
    const field = byId('new-title');
    field.value = this.#session?.title ?? '';
    openDialog(this.#rename);
    field.select();
  }

  async #saveTitle() {
    const session = this.#session;
    const title = byId('new-title').value.trim();
    if (session === null || title === '') return;
    const saved = await attempt(byId('rename-error'), async () => {
      this.listener.onChanged(await call('PATCH', pathOf(session), { title }));
    });
    if (saved) this.#rename.close();
  }

  #askToDelete() {
    byId('delete-error').textContent = '';
    byId('delete-what').textContent = reveal(this.#session?.title || 'Untitled');
    openDialog(this.#delete);
  }

  async #deleteNow() {
    const session = this.#session;
    if (session === null) return;
    const deleted = await attempt(
      byId('delete-error'),
      () => call('DELETE', pathOf(session)),
      byId('delete-now'),
    );
    if (!deleted) return;
    this.#delete.close();
    this.listener.onGone(session.id);
  }
}

/** @param {{ id: string }} session */
export function pathOf(session) {
  return `/api/agent/sessions/${encodeURIComponent(session.id)}`;
}
