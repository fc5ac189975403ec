import { currentUser, markSignedIn, SignIn } from './account/sign-in.js';
import { call } from './page/api.js';
import { Composer } from './conversation/composer.js';
import { Conversation } from './conversation/conversation.js';
import { reveal } from './page/format.js';
import { Keys } from './account/keys.js';
import { byId, EndFollower } from './page/page.js';
import { SessionList } from './conversation/session-list.js';

const CONNECTION = {
  idle: '',
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  over: 'Up to date',
};

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
  markSignedIn(true);
  signIn.hide();
  app.hidden = false;
  byId('account-email').textContent = user.email ?? user.id;
  await Promise.all([sessions.refresh().catch(report), openAddress()]);
}

function leave() {
  markSignedIn(false);
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

const user = await currentUser().catch((error) => {
  signIn.show();
  signIn.tell(error.message);
});
if (user) await enter(user);
else {
  signIn.tellFailure();
  signIn.show();
}
