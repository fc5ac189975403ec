import { call } from '../page/api.js';
import { attempt, copy, openDialog } from '../page/dialog.js';
import { byId, element } from '../page/page.js';
import { reveal, when } from '../page/format.js';

/** The own API keys: what there is, a new one, shown this once, and the end of one. */
export class Keys {
  #dialog = byId('keys-dialog');
  #list = byId('keys-list');
  #error = byId('keys-error');
  #made = byId('key-made');

  start() {
    byId('open-keys').addEventListener('click', () => void this.#open());
    // The key is shown once, and not left in the page.
    this.#dialog.addEventListener('close', () => this.#show(''));
    byId('key-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void attempt(this.#error, () => this.#make());
    });
    byId('copy-key').addEventListener('click', ({ currentTarget }) => void copy(this.#made, currentTarget));
  }

  async #open() {
    this.#list.replaceChildren();
    openDialog(this.#dialog);
    await attempt(this.#error, () => this.#refresh());
  }

  async #refresh() {
    const { data } = await call('GET', '/api/auth/keys');
    this.#list.replaceChildren(...data.map((key) => this.#item(key)));
    byId('no-keys').hidden = data.length > 0;
  }

  #item({ id, name, hint, scopes, expires_at, last_used_at }) {
    const ends = expires_at === null ? 'does not expire' : `expires ${when(expires_at)}`;
    const used = last_used_at === null ? 'never used' : `used ${when(last_used_at)}`;
    const facts = [`…${hint}`, scopes.join(' '), ends, used].join(' · ');
    const end = element('button', { type: 'button', 'aria-label': `End ${name}` }, 'End');
    end.addEventListener('click', () => {
      const path = `/api/auth/keys/${encodeURIComponent(id)}`;
      void attempt(this.#error, () => call('DELETE', path).then(() => this.#refresh()), end);
    });
    const words = element(
      'span',
      {},
      element('bdi', {}, reveal(name)),
      element('small', { class: 'quiet' }, facts),
    );
    return element('li', {}, words, end);
  }

  async #make() {
    const form = byId('key-form');
    const { name, scopes, days } = Object.fromEntries(new FormData(form));
    const body = { name, scopes: scopes.split(' '), expires_in_days: Number(days) };
    const { key } = await call('POST', '/api/auth/keys', body);
    form.reset();
    this.#show(key);
    await this.#refresh();
  }

  #show(key) {
    this.#made.textContent = key;
    byId('key-shown').hidden = key === '';
    byId('copy-key').textContent = 'Copy';
  }
}
