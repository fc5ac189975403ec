import { Account } from './account/account.js';
import { Keys } from './account/keys.js';
import { currentUser, markSignedIn, onOtherSignIn, SignIn } from './account/sign-in.js';
import { ThemeChoice } from './account/theme-choice.js';
import { Composer } from './conversation/composer.js';
import { Conversation } from './conversation/conversation.js';
import { call } from './page/api.js';
import { armCloseButtons, closeAll, closeMenus } from './page/dialog.js';
import { Drawer } from './page/drawer.js';
import { reveal } from './page/format.js';
import { byId, EndFollower } from './page/page.js';
import { Shortcuts } from './page/shortcuts.js';
import { SessionActions } from './sessions/session-actions.js';
import { ownerOf, SessionList } from './sessions/session-list.js';
import { Sharing } from './sessions/sharing.js';

const CONNECTION = {
  idle: '',
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  over: 'Up to date',
};

const app = byId('app');
const signIn = new SignIn((user) => void enter(user));
const account = new Account();
const sessions = new SessionList(report);
const sharing = new Sharing(report);
const end = new EndFollower(byId('transcript'), byId('to-end'));
const drawer = new Drawer(app, {
  opener: byId('menu'),
  closer: byId('close-menu'),
  veil: byId('veil'),
  first: byId('new-session'),
  rest: byId('stage'),
});
const actions = new SessionActions({
  onChanged: (session) => {
    showSession(session);
    void sessions.refresh().catch(report);
  },
  onMade: (sessionId) => {
    location.hash = sessionId;
    void sessions.refresh().catch(report);
  },
  onGone: () => {
    // The way back must not lead to what is not there any more.
    history.replaceState(null, '', '/');
    void openAddress();
    void sessions.refresh().catch(report);
  },
  onError: report,
});
const conversation = new Conversation(byId('turns'), {
  onConnection: showConnection,
  onBusy: showBusy,
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
let isBusy = false;

function showConnection(state, reconnects) {
  const line = byId('connection');
  const times = reconnects > 0 ? ` · ${reconnects} ${reconnects === 1 ? 'reconnect' : 'reconnects'}` : '';
  line.dataset.state = state;
  line.textContent = CONNECTION[state] + (state === 'idle' ? '' : times);
}

/** When the work is done, the session may have got a title. */
function showBusy(busy) {
  composer.setBusy(busy);
  if (isBusy && !busy && !app.hidden) void sessions.refresh().catch(report);
  isBusy = busy;
}

function showSession(session) {
  const title = session ? reveal(session.title || 'Untitled') : 'New conversation';
  const own = session?.access === 'owner' ? session : null;
  byId('title').textContent = title;
  document.title = session ? `${title} – Agentline` : 'Agentline';
  byId('welcome').hidden = session !== null;
  byId('session-actions').hidden = own === null;
  byId('composer').hidden = session !== null && own === null;
  byId('watching').hidden = !byId('composer').hidden;
  byId('watching').textContent = session
    ? `Shown to you by ${ownerOf(session)}: you can watch, not write.`
    : '';
  actions.show(own);
  sharing.show(own);
  sessions.mark(session?.id ?? null);
  if (session && location.hash !== `#${session.id}`) {
    history.pushState(null, '', `#${session.id}`);
    void sessions.refresh().catch(report);
  }
}

/** Shows the session that the address names. */
async function openAddress() {
  const sessionId = location.hash.slice(1);
  drawer.close();
  closeMenus();
  tell('');
  if (sessionId === '') conversation.clear();
  else if (sessionId !== conversation.sessionId) await conversation.open(sessionId).catch(report);
  end.toEnd();
  composer.focus();
}

let userId = null;
/** How often somebody has signed in here or left. */
let changes = 0;

async function enter(user) {
  changes += 1;
  userId = user.id;
  markSignedIn(user.id);
  signIn.hide();
  app.hidden = false;
  account.signedIn(user);
  sharing.signedIn(user);
  await Promise.all([sessions.refresh().catch(report), openAddress()]);
}

function leave() {
  changes += 1;
  markSignedIn(null);
  closeAll();
  drawer.close();
  app.hidden = true;
  conversation.clear();
  sessions.reset();
  signIn.show();
}

async function signOut() {
  await call('POST', '/api/auth/logout');
  // The next user's page must not ask for a session of this one.
  history.replaceState(null, '', '/');
  for (const form of ['composer', 'share-form']) byId(form).reset();
  leave();
}

/** What went wrong outside of the user's own action; without a sign-in nothing can be shown at all. */
function report(error) {
  if (error.status === 401) void leaveWhenSignedOut();
  else tell(error.message);
}

/**
 * A call was refused for want of a sign-in. It may be one of the login before, answered late, so the server says who
 * is signed in now.
 */
async function leaveWhenSignedOut() {
  if (app.hidden) return;
  const before = changes;
  try {
    const user = await currentUser();
    if (before !== changes) return;
    if (user === null) leave();
    else if (user.id !== userId) location.reload();
  } catch (error) {
    tell(error.message);
  }
}

/** A line above the field for messages; who has no field reads it below the title. */
function tell(words) {
  const isHidden = byId('composer').hidden;
  composer.tell(isHidden ? '' : words);
  byId('complaint').textContent = isHidden ? words : '';
}

function orSignIn(error) {
  if (error.status === 401) void leaveWhenSignedOut();
  throw error;
}

function beginAnew() {
  if (location.hash === '') void openAddress();
  else location.hash = '';
}

function stopOrClose() {
  if (drawer.isOpen) drawer.close();
  // Who wants to leave the search presses Escape once too often.
  else if (!sessions.isSearching) void composer.stop();
}

const shortcuts = new Shortcuts({
  new: beginAnew,
  search: () => {
    drawer.open();
    sessions.focusSearch();
  },
  previous: () => sessions.go(-1),
  next: () => sessions.go(1),
  stop: stopOrClose,
});
shortcuts.start();
new Keys().start();
new ThemeChoice().start();
armCloseButtons();
byId('new-session').addEventListener('click', beginAnew);
byId('sign-out').addEventListener('click', () => void signOut().catch(report));
byId('skip').addEventListener('click', (event) => {
  // The address names a session, and goes on to do so.
  event.preventDefault();
  byId(byId('composer').hidden ? 'transcript' : 'message').focus();
});
// All pages of a browser have the same cookie.
onOtherSignIn((other) => {
  if (app.hidden || other === userId) return;
  if (other === null) leave();
  else location.reload();
});
addEventListener('hashchange', () => {
  if (!app.hidden) void openAddress();
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState !== 'visible' || app.hidden) return;
  void conversation.refresh().catch(report);
  void sessions.refresh().catch(report);
});
addEventListener('focus', () => {
  if (!app.hidden) void sessions.refresh().catch(report);
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
