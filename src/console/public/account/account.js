import { call } from '../page/api.js';
import { attempt, copy, openDialog } from '../page/dialog.js';
import { byId, element } from '../page/page.js';
import { reveal, when } from '../page/format.js';
import { browserName } from './browser-name.js';

/** Who is signed in, where, and with which password. */
export class Account {
  #dialog = byId('account-dialog');
  #error = byId('account-error');
  #logins = byId('logins');

  constructor() {
    byId('open-account').addEventListener('click', () => void this.#open());
    // Fields for passwords are in the page only while they are used.
    this.#dialog.addEventListener('close', () => byId('password-place').replaceChildren());
    byId('copy-id').addEventListener(
      'click',
      ({ currentTarget }) => void copy(byId('own-id'), currentTarget),
    );
  }

  signedIn(user) {
    byId('account-email').textContent = reveal(user.email ?? user.id);
    byId('own-email').textContent = reveal(user.email ?? 'None');
    byId('own-id').textContent = reveal(user.id);
    byId('own-tenant').textContent = reveal(user.tenant_id);
    byId('own-roles').textContent = user.roles.join(', ');
  }

  async #open() {
    this.#logins.replaceChildren();
    byId('copy-id').textContent = 'Copy';
    byId('password-place').replaceChildren(this.#passwordForm());
    openDialog(this.#dialog);
    await attempt(this.#error, () => this.#refresh());
  }

  async #refresh() {
    const { data } = await call('GET', '/api/auth/logins');
    this.#logins.replaceChildren(...data.map((login) => this.#item(login)));
  }

  #item({ id, created_at, remote_address, user_agent, current }) {
    const name = browserName(user_agent);
    const facts = [remote_address, `since ${when(created_at)}`].filter(Boolean).join(' · ');
    const words = element(
      'span',
      {},
      element('bdi', user_agent ? { title: reveal(user_agent) } : {}, name),
      element('small', { class: 'quiet' }, facts),
    );
    if (current) return element('li', {}, words, element('span', { class: 'badge' }, 'This browser'));
    const end = element('button', { type: 'button', 'aria-label': `Sign out ${name}, ${facts}` }, 'Sign out');
    end.addEventListener('click', () => {
      const path = `/api/auth/logins/${encodeURIComponent(id)}`;
      void attempt(this.#error, () => call('DELETE', path).then(() => this.#refresh()), end);
    });
    return element('li', {}, words, end);
  }

  #passwordForm() {
    const state = element('p', { role: 'status', class: 'quiet' });
    const error = element('p', { role: 'alert', class: 'alarm' });
    const button = element('button', {}, 'Change');
    const form = element(
      'form',
      { id: 'password-form', class: 'row' },
      // For who keeps passwords: whose it is.
      element('input', { autocomplete: 'username', value: byId('own-email').textContent, hidden: true }),
      field('Current password', { name: 'current', autocomplete: 'current-password', maxlength: '256' }),
      field('New password', { name: 'new', autocomplete: 'new-password', minlength: '8', maxlength: '256' }),
      button,
      state,
      error,
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      state.textContent = '';
      const change = async () => {
        await call('POST', '/api/auth/password', Object.fromEntries(new FormData(form)));
        form.reset();
        state.textContent = 'Changed. Every other login has ended.';
        await this.#refresh();
      };
      void attempt(error, change, button);
    });
    return form;
  }
}

function field(words, attributes) {
  return element('label', {}, words, element('input', { type: 'password', required: true, ...attributes }));
}
