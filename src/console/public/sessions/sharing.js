import { call } from '../page/api.js';
import { attempt, copy, openDialog } from '../page/dialog.js';
import { byId, element } from '../page/page.js';
import { reveal } from '../page/format.js';
import { People } from './people.js';
import { pathOf } from './session-actions.js';

/** Whom the conversation that is shown is shown to: its owner sees it, and says it. */
export class Sharing {
  #session = null;
  #user = null;
  #people = new People();
  /** `tenant`, or ids of users; null while it is not known. */
  #audience = null;
  #button = byId('open-share');
  #dialog = byId('share-dialog');
  #error = byId('share-error');
  #everybody = byId('share-everybody');

  /** @param {(error: Error) => void} onError */
  constructor(onError) {
    this.onError = onError;
    // Where there is no room for it, it stands in the menu.
    for (const button of [this.#button, byId('share-too')])
      button.addEventListener('click', () => void this.#open());
    this.#everybody.addEventListener('change', () => {
      void this.#save(this.#everybody.checked ? 'tenant' : []);
    });
    byId('share-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#add();
    });
    byId('copy-link').addEventListener('click', ({ currentTarget }) => {
      void copy(byId('share-link'), currentTarget);
    });
  }

  /** Who is signed in. */
  signedIn(user) {
    this.#user = user;
    byId('share-tenant').textContent = reveal(user.tenant_id);
    this.#people.signedIn(user);
  }

  /** @param {object | null} session null: none that could be shown to others */
  show(session) {
    const isNew = session?.id !== this.#session?.id;
    this.#session = session;
    if (!isNew) return;
    this.#audience = null;
    this.#draw();
    if (session) void this.#refresh().catch(this.onError);
  }

  async #open() {
    byId('share-link').textContent = location.href;
    byId('copy-link').textContent = 'Copy the link';
    openDialog(this.#dialog);
    await attempt(this.#error, async () => {
      await this.#people.load();
      await this.#refresh();
    });
  }

  async #refresh() {
    const session = this.#session;
    const answer = await call('GET', `${pathOf(session)}/shares`);
    this.#take(session, answer.with);
  }

  async #add() {
    const field = byId('share-with');
    const named = field.value.trim();
    if (named === '') return;
    const added = await attempt(this.#error, async () => {
      const id = this.#people.idOf(named);
      if (id === this.#user.id) throw new Error('It is yours: you see it anyway.');
      if (this.#audience === null) await this.#refresh();
      await this.#put([...new Set([...this.#audience, id])]);
    });
    if (added) field.value = '';
    field.focus();
  }

  async #save(audience) {
    const saved = await attempt(this.#error, () => this.#put(audience), this.#everybody);
    if (!saved) this.#draw();
    this.#everybody.focus();
  }

  async #put(audience) {
    const session = this.#session;
    const answer = await call('PUT', `${pathOf(session)}/shares`, { with: audience });
    this.#take(session, answer.with);
  }

  /** Another session may be shown by now. */
  #take(session, audience) {
    if (session.id !== this.#session?.id) return;
    this.#audience = audience;
    this.#draw();
  }

  #draw() {
    const isAll = this.#audience === 'tenant';
    const ids = isAll ? [] : (this.#audience ?? []);
    this.#everybody.checked = isAll;
    byId('share-people').hidden = isAll;
    byId('share-list').replaceChildren(...ids.map((id) => this.#item(id)));
    const some = `${ids.length} ${ids.length === 1 ? 'person' : 'people'}`;
    const whom = isAll ? 'everybody' : ids.length === 0 ? 'nobody' : some;
    byId('share-state').textContent = `Shown to ${whom}.`;
    this.#button.textContent = isAll || ids.length > 0 ? `Shown to ${whom}` : 'Share';
  }

  #item(id) {
    const name = this.#people.nameOf(id);
    const words = element('span', {}, element('bdi', {}, reveal(name)));
    if (name !== id) words.append(element('small', { class: 'quiet' }, reveal(id)));
    const remove = element('button', { type: 'button', 'aria-label': `Remove ${reveal(name)}` }, 'Remove');
    remove.addEventListener('click', () => {
      const left = this.#audience.filter((each) => each !== id);
      void attempt(this.#error, () => this.#put(left), remove).then(() => byId('share-with').focus());
    });
    return element('li', {}, words, remove);
  }
}
