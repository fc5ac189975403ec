import { ApiError, call } from '../page/api.js';
import { reveal } from '../page/format.js';
import { byId } from '../page/page.js';

/** In `localStorage` while this browser is signed in. */
const MARK = 'agentline-signed-in';

/** On the way to an identity provider nobody knows yet who comes back. */
const SOMEBODY = 'true';

/** Remembers in this browser who is signed in; null: nobody. */
export function markSignedIn(userId) {
  if (userId === null) localStorage.removeItem(MARK);
  else localStorage.setItem(MARK, userId);
}

/** @param {(userId: string | null) => void} listener told when another page of this browser is left, or entered by somebody */
export function onOtherSignIn(listener) {
  addEventListener('storage', ({ key, newValue }) => {
    if (key === MARK && newValue !== SOMEBODY) listener(newValue);
  });
}

/**
 * @returns {Promise<object | null>} who is signed in. Script cannot see the cookie; the mark beside it saves
 *   everybody else a call that is refused.
 */
export async function currentUser() {
  if (localStorage.getItem(MARK) === null) return null;
  try {
    return await call('GET', '/api/auth/me');
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

/** The page of who is not signed in. */
export class SignIn {
  #page = byId('sign-in');
  #form = byId('sign-in-form');
  #error = byId('sign-in-error');

  /** Sets where the link to the identity provider leads, once there is one. */
  #lead = () => undefined;

  /** @param {(user: object) => void} onSignedIn */
  constructor(onSignedIn) {
    // The browser comes back without a word to this page; whether it is signed in has to be asked.
    byId('sso').addEventListener('click', () => markSignedIn(SOMEBODY));
    addEventListener('hashchange', () => this.#lead());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit(onSignedIn);
    });
  }

  show() {
    this.#page.hidden = false;
    byId('email').focus();
    void this.#offerProvider();
  }

  hide() {
    this.#page.hidden = true;
  }

  /** A provider that could not sign somebody in sends them back to `/?sign_in_error=<code>`. */
  tellFailure() {
    const code = new URLSearchParams(location.search).get('sign_in_error');
    if (code === null) return;
    history.replaceState(null, '', '/');
    this.tell(`You could not be signed in (${reveal(code.slice(0, 60))}). Try again.`);
  }

  tell(words) {
    this.#error.textContent = words;
  }

  /** A server without other ways in says so, or, when it is older, knows nothing of the question. */
  async #offerProvider() {
    const methods = await call('GET', '/api/auth/methods').catch(() => undefined);
    if (!methods?.oidc) return;
    const link = byId('sso');
    const path = new URL(methods.oidc.login_url, location.origin).pathname;
    this.#lead = () => {
      link.href = path + returnQuery();
    };
    this.#lead();
    link.title = reveal(methods.oidc.name);
    link.hidden = false;
  }

  async #submit(onSignedIn) {
    const { email, password } = Object.fromEntries(new FormData(this.#form));
    const button = this.#form.querySelector('button');
    this.#error.textContent = '';
    button.disabled = true;
    try {
      const { user } = await call('POST', '/api/auth/login', { email, password });
      this.#form.reset();
      onSignedIn(user);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#error.textContent = error.message;
      byId('password').select();
    } finally {
      button.disabled = false;
    }
  }
}

/** The session that the address names is where the browser comes back to (`return_to` of GET /api/auth/oidc/login). */
function returnQuery() {
  return /^#\w+$/.test(location.hash) ? `?return_to=${encodeURIComponent(`/${location.hash}`)}` : '';
}
