import { call, newKey } from '../page/api.js';
import { client } from '../page/client.js';
import { byId, element } from '../page/page.js';
import { WireView } from '../run/wire-view.js';
import { prefill } from './composer.js';
import { byRun, copiedTurns, drawPast, placeBefore, userMessage, userText } from './history.js';
import { saidView } from './said-view.js';
import { totals } from './totals.js';
import { Turn } from './turn.js';

const TITLE_LENGTH = 60;

/** What pages of the same browser tell each other: the session in which one of them has begun a run. */
const pages = new BroadcastChannel('agentline-runs');
const tellPages = pages.postMessage.bind(pages);

/**
 * One session on the page: its past from the messages, its last run and those that are open from their
 * streams. Runs of a session follow each other, so one stream is open at a time.
 */
export class Conversation {
  #session = null;
  /** The session that is being read, and not shown yet. */
  #opening = null;
  #turns = [];
  #follower = null;
  #replays = [];
  #wish = null;
  #stopWanted = false;
  /** How often another session was chosen: what was begun before is not shown any more. */
  #cleared = 0;
  #wire = new WireView();
  #totals = byId('totals');

  /**
   * @param {HTMLElement} place where turns are drawn
   * @param {object} listener
   * @param {(state: string, reconnects: number) => void} listener.onConnection
   * @param {(busy: boolean) => void} listener.onBusy a run is open, or being started
   * @param {(session: object | null) => void} listener.onSession another session is shown
   * @param {() => void} listener.onChange something was drawn
   * @param {(error: Error) => void} listener.onError
   */
  constructor(place, listener) {
    this.place = place;
    this.listener = listener;
    pages.addEventListener('message', ({ data }) => {
      if (data === this.sessionId) void this.refresh().catch((error) => listener.onError(error));
    });
  }

  get sessionId() {
    return this.#session?.id ?? null;
  }

  /** Shows nothing: the next message begins a new session. */
  clear() {
    for (const follower of [this.#follower, ...this.#replays]) follower?.close();
    this.#follower = null;
    this.#replays = [];
    this.#session = null;
    this.#opening = null;
    this.#cleared += 1;
    this.#turns = [];
    this.#stopWanted = false;
    this.place.replaceChildren();
    this.#totals.textContent = '';
    this.#wire.show(null);
    this.listener.onSession(null);
    this.listener.onConnection('idle', 0);
    this.#tellBusy();
  }

  /** Shows a session with everything that was said; a run that is open goes on being shown. */
  async open(sessionId) {
    this.clear();
    const opening = { id: sessionId, title: null };
    this.#session = opening;
    this.#opening = opening;
    const [session, messages, runs] = await Promise.all([
      client.session(sessionId),
      client.messages(sessionId),
      client.runs(sessionId),
    ]).catch((error) => {
      if (this.#opening === opening) this.clear();
      throw error;
    });
    if (this.#opening !== opening) return;
    this.#opening = null;
    this.#session = session;
    this.listener.onSession(session);
    if (session.parent_run_id) void this.#linkParent(session);
    this.#showRuns(
      runs.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      byRun(messages),
    );
    this.#tellTotals();
    this.#follow();
  }

  /** Shows what another page has begun in the same session meanwhile. */
  async refresh() {
    const sessionId = this.sessionId;
    const last = this.#turns.at(-1);
    if (sessionId === null || this.#opening || (last && !last.view.over)) return;
    const runs = await client.runs(sessionId);
    const isNewer = runs.some((run) => !last || run.id > last.run.id);
    const isSame = this.sessionId === sessionId && !this.#opening && this.#turns.at(-1) === last;
    if (isNewer && isSame) await this.open(sessionId);
  }

  /**
   * Starts a run, and a session where there is none. Repeating it with the same text after a failure cannot
   * start two runs.
   */
  async send(text) {
    await this.#start(text, text);
  }

  /** Cancels the run that is at work. Before its id is known the wish is kept until it is. */
  async stop() {
    const turn = this.#turns.find(({ view }) => !view.over);
    if (turn) await client.cancel(turn.run.id);
    else this.#stopWanted = true;
  }

  /** @param {string | object[]} content @param {string} text that stands for it */
  async #start(content, text) {
    this.#stopWanted = false;
    this.listener.onBusy(true);
    try {
      const session = this.#session ?? (await this.#begin(text));
      if (this.#wish?.text !== text || this.#wish.sessionId !== session.id)
        this.#wish = { text, sessionId: session.id, key: newKey() };
      const request = { session_id: session.id, content };
      const started = await client.start(request, { idempotencyKey: this.#wish.key });
      this.#wish = null;
      tellPages(session.id);
      if (this.#session !== session) return;
      this.#addTurn({ ...started, id: started.run_id }, text, { isTimed: true });
      this.#follow();
      if (this.#stopWanted) await this.stop();
    } finally {
      this.#tellBusy();
    }
  }

  async #begin(text) {
    const title = Array.from(text.trim().split('\n')[0] ?? '')
      .slice(0, TITLE_LENGTH)
      .join('');
    const cleared = this.#cleared;
    const session = await client.createSession({ title });
    if (cleared === this.#cleared) {
      this.#session = session;
      this.listener.onSession(session);
    }
    return session;
  }

  #showRuns(runs, messages) {
    for (const own of copiedTurns(messages.get(null))) {
      const turn = this.#addTurn({ id: '', status: 'copied' }, userText(own), {}, userMessage(own)?.id);
      drawPast(turn.view, turn.run, own);
    }
    for (const [index, run] of runs.entries()) {
      const own = messages.get(run.id);
      const turn = this.#addTurn(run, userText(own), {}, userMessage(own)?.id);
      if (run.ended_at !== null && index < runs.length - 1) drawPast(turn.view, run, own);
    }
    this.#tellBusy();
  }

  #addTurn(run, text, options, messageId) {
    this.#turns.at(-1)?.view.footer.withdrawRetry();
    const isOwn = this.#session.access !== 'viewer';
    const turn = new Turn(run, {
      ...options,
      onPaint: () => this.listener.onChange(),
      ...(run.id && { showWire: () => this.#showWire(turn) }),
      ...(isOwn && {
        decide: (callId, decision) => this.#attempt(() => client.decide(run.id, callId, decision)),
        retry: () => void this.#attempt(() => this.#retry(run)),
      }),
    });
    this.#turns.push(turn);
    const fork = isOwn ? () => this.#attempt(() => this.#fork(run, text, messageId)) : undefined;
    this.place.append(saidView(text, fork), turn.view.element);
    this.#tellBusy();
    this.listener.onChange();
    return turn;
  }

  /** Opens the stream of the first run that is not over, unless one is open. */
  #follow() {
    const turn = this.#turns.find(({ view }) => !view.over);
    if (!turn || (this.#follower && !this.#follower.ended)) return;
    this.#follower = turn.follow({
      onState: (state, reconnects) => this.listener.onConnection(state, reconnects),
      onWire: (log) => this.#wire.changed(log),
      onChange: () => {
        this.listener.onChange();
        if (turn.view.over) this.#tellBusy();
      },
      onEnd: (error) => void this.#ended(turn, error),
    });
    this.#wire.show(turn.log);
  }

  async #ended(turn, error) {
    if (error?.status === 404) turn.view.lose('This conversation is not there any more.');
    else if (error) {
      turn.view.lose('What follows could not be read.');
      this.listener.onError(error);
    }
    this.#tellBusy();
    this.#follow();
    if (error) return;
    // A network that fails now takes away a few figures, and nothing else.
    const run = await client.run(turn.run.id).catch(() => null);
    if (!run || !this.#turns.includes(turn)) return;
    turn.run = run;
    turn.view.tell(run);
    this.#tellTotals();
  }

  #showWire(turn) {
    if (!turn.log) this.#replays.push(turn.replay((log) => this.#wire.changed(log)));
    this.#wire.open(turn.log);
  }

  /** Begins anew with the same content, when the last run has failed. */
  async #retry(run) {
    const messages = await client.messages(this.sessionId);
    const own = messages.filter(({ run_id }) => run_id === run.id);
    const content = userMessage(own)?.content;
    if (content) await this.#start(content, userText(own));
  }

  /** Another conversation with what was said before a message, which stands in the field to be changed. */
  async #fork(run, text, messageId) {
    const sessionId = this.sessionId;
    const messages = await client.messages(sessionId);
    const id = messageId ?? userMessage(messages.filter(({ run_id }) => run_id === run.id))?.id;
    const before = placeBefore(messages, id);
    if (before === null) location.hash = '';
    else {
      const path = `/api/agent/sessions/${encodeURIComponent(sessionId)}/fork`;
      await this.open((await call('POST', path, { message_id: before })).id);
    }
    prefill(text);
  }

  async #linkParent({ id, parent_run_id }) {
    // Without it there is no way back, and all else is there.
    const run = await client.run(parent_run_id).catch(() => null);
    if (!run || this.sessionId !== id) return;
    const link = element('a', { href: `#${run.session_id}` }, 'Back to the conversation that asked for it');
    this.place.prepend(element('p', { class: 'parent quiet' }, 'What a sub-agent did. ', link));
  }

  /** @returns {Promise<boolean>} whether it worked; if not, it was told why */
  async #attempt(action) {
    try {
      await action();
      return true;
    } catch (error) {
      this.listener.onError(error);
      return false;
    }
  }

  #tellTotals() {
    this.#totals.textContent = totals(this.#turns.map(({ run }) => run));
  }

  #tellBusy() {
    this.listener.onBusy(this.#turns.some(({ view }) => !view.over));
  }
}
