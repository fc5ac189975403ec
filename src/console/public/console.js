import { ApiError, call } from './api.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { reveal } from './format.js';
import { Keys } from './keys.js';
import { byId, EndFollower } from './page.js';
import { SessionList } from './session-list.js';

const CONNECTION = {
  idle: '',
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  over: 'Up to date',
};

/** In `localStorage` while this browser is signed in. */
const MARK = 'agentline-signed-in';

/** The page of who is not signed in. */
class SignIn {
  #page = byId('sign-in');
  #form = byId('sign-in-form');
  #error = byId('sign-in-error');

  /** @param {(user: object) => void} onSignedIn */
  constructor(onSignedIn) {
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

  /** A server without other ways in says so, or, when it is older, knows nothing of the question. */
  async #offerProvider() {
    const methods = await call('GET', '/api/auth/methods').catch(() => undefined);
    if (!methods?.oidc) return;
    const link = byId('sso');
    link.href = new URL(methods.oidc.login_url, location.origin).pathname;
    link.title = reveal(methods.oidc.name);
    link.hidden = false;
    // The browser comes back without a word to this page; whether it is signed in has to be asked.
    link.addEventListener('click', () => localStorage.setItem(MARK, 'true'));
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

/**
 * @returns {Promise<object | null>} who is signed in. Script cannot see the cookie; the mark beside it saves
 *   everybody else a call that is refused.
 */
async function currentUser() {
  if (localStorage.getItem(MARK) === null) return null;
  try {
    return await call('GET', '/api/auth/me');
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

const app = byId('app');
const signIn = new SignIn((user) => void enter(user));
const sessions = new SessionList(report);
const keys = new Keys();
const end = new EndFollower(byId('transcript'), byId('to-end'));
const conversation = new Conversation(byId('turns'), {
  onConnection: showConnection,
  onBusy: (busy) => composer.setBusy(busy),
  onSession: showSession,
  onChange: () => {
    byId('welcome').hidden = true;
    end.grown();
  },
  onError: report,
});
const composer = new Composer({
  onSend: async (text) => {
    end.toEnd();
    await conversation.send(text).catch(orSignIn);
  },
  onStop: () => conversation.stop().catch(orSignIn),
});

function showConnection(state, reconnects) {
  const line = byId('connection');
  const times = reconnects > 0 ? ` · ${reconnects} ${reconnects === 1 ? 'reconnect' : 'reconnects'}` : '';
  line.dataset.state = state;
  line.textContent = CONNECTION[state] + (state === 'idle' ? '' : times);
}

function showSession(session) {
  const title = session ? reveal(session.title || 'Untitled') : 'New conversation';
  byId('title').textContent = title;
  document.title = session ? `${title} – Agentline` : 'Agentline';
  byId('welcome').hidden = session !== null;
  sessions.mark(session?.id ?? null);
  if (session && location.hash !== `#${session.id}`) {
    history.pushState(null, '', `#${session.id}`);
    void sessions.refresh().catch(report);
  }
}

/** Shows the session that the address names. */
async function openAddress() {
  const sessionId = location.hash.slice(1);
  openMenu(false);
  composer.tell('');
  if (sessionId === '') conversation.clear();
  else if (sessionId !== conversation.sessionId) await conversation.open(sessionId).catch(report);
  end.toEnd();
  composer.focus();
}

async function enter(user) {
  localStorage.setItem(MARK, 'true');
  signIn.hide();
  app.hidden = false;
  byId('account-email').textContent = user.email ?? user.id;
  await Promise.all([sessions.refresh().catch(report), openAddress()]);
}

function leave() {
  localStorage.removeItem(MARK);
  keys.close();
  conversation.clear();
  openMenu(false);
  app.hidden = true;
  signIn.show();
}

async function signOut() {
  await call('POST', '/api/auth/logout');
  // The next user's page must not ask for a session of this one.
  history.replaceState(null, '', '/');
  leave();
}

/** What went wrong outside of the user's own action; without a sign-in nothing can be shown at all. */
function report(error) {
  if (error.status === 401) leave();
  else composer.tell(error.message);
}

function orSignIn(error) {
  if (error.status === 401) leave();
  throw error;
}

function openMenu(open) {
  app.classList.toggle('menu-open', open);
  byId('menu').setAttribute('aria-expanded', String(open));
}

byId('menu').addEventListener('click', () => {
  openMenu(true);
  byId('new-session').focus();
});
byId('veil').addEventListener('click', () => openMenu(false));
byId('new-session').addEventListener('click', () => {
  if (location.hash === '') void openAddress();
  else location.hash = '';
});
byId('sign-out').addEventListener('click', () => void signOut().catch(report));
addEventListener('hashchange', () => void openAddress());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') void conversation.refresh().catch(report);
});
document.addEventListener('keydown', (event) => {
  // In a dialog it closes the dialog.
  if (event.key !== 'Escape' || event.isComposing || document.querySelector('dialog[open]')) return;
  if (app.classList.contains('menu-open')) openMenu(false);
  else void composer.stop();
});

/** A provider that could not sign somebody in sends them back to `/?sign_in_error=<code>`. */
function tellFailedSignIn() {
  const code = new URLSearchParams(location.search).get('sign_in_error');
  if (code === null) return;
  history.replaceState(null, '', '/');
  byId('sign-in-error').textContent = `You could not be signed in (${reveal(code.slice(0, 60))}). Try again.`;
}

const user = await currentUser().catch((error) => {
  signIn.show();
  byId('sign-in-error').textContent = error.message;
});
if (user) await enter(user);
else {
  tellFailedSignIn();
  signIn.show();
}
