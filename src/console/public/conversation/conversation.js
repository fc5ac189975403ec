import { call, newKey } from '../page/api.js';
import { element } from '../page/page.js';
import { reveal } from '../page/format.js';
import { byRun, copiedTurns, pastView, userText } from './history.js';
import { RunStream } from '../run/run-stream.js';
import { RunView } from '../run/run-view.js';

const TITLE_LENGTH = 60;

/**
 * One session on the page: its past from the messages, its last run and those that are open from their
 * streams. Runs of a session follow each other, so one stream is open at a time.
 */
export class Conversation {
  #session = null;
  #turns = [];
  #stream = null;
  #wish = null;
  #stopWanted = false;

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
  }

  get sessionId() {
    return this.#session?.id ?? null;
  }

  /** Shows nothing: the next message begins a new session. */
  clear() {
    this.#stream?.close();
    this.#stream = null;
    this.#session = null;
    this.#turns = [];
    this.#stopWanted = false;
    this.place.replaceChildren();
    this.listener.onSession(null);
    this.listener.onConnection('idle', 0);
    this.#tellBusy();
  }

  /** Shows a session with everything that was said; a run that is open goes on being shown. */
  async open(sessionId) {
    this.clear();
    this.#session = { id: sessionId, title: null };
    const path = `/api/agent/sessions/${encodeURIComponent(sessionId)}`;
    const [session, messages, runs] = await Promise.all([
      call('GET', path),
      call('GET', `${path}/messages`),
      call('GET', `${path}/runs`),
    ]).catch((error) => {
      if (this.sessionId === sessionId) this.clear();
      throw error;
    });
    if (this.sessionId !== sessionId) return;
    this.#session = session;
    this.listener.onSession(session);
    this.#showRuns(
      runs.data.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      byRun(messages.data),
    );
    this.#follow();
  }

  /** Shows what another page has begun in the same session meanwhile. */
  async refresh() {
    const sessionId = this.sessionId;
    const last = this.#turns.at(-1);
    if (!last?.view.over) return;
    const runs = await call('GET', `/api/agent/sessions/${sessionId}/runs`);
    const isNewer = runs.data.some((run) => run.id > last.run.id);
    if (isNewer && this.sessionId === sessionId && this.#turns.at(-1) === last) await this.open(sessionId);
  }

  /**
   * Starts a run, and a session where there is none. Repeating it with the same text after a failure cannot
   * start two runs.
   */
  async send(text) {
    this.#wish = this.#wish?.text === text ? this.#wish : { text, key: newKey() };
    this.#stopWanted = false;
    this.listener.onBusy(true);
    try {
      this.#session ??= await this.#begin(text);
      const session = this.#session;
      const path = `/api/agent/sessions/${session.id}/messages`;
      const { run } = await call('POST', path, { content: text }, { 'Idempotency-Key': this.#wish.key });
      this.#wish = null;
      if (this.#session !== session) return;
      this.#addTurn(run, text, this.#viewOf(run));
      this.#follow();
      if (this.#stopWanted) await this.stop();
    } finally {
      this.#tellBusy();
    }
  }

  /** Cancels the run that is at work. Before its id is known the wish is kept until it is. */
  async stop() {
    const turn = this.#turns.find(({ view }) => !view.over);
    if (turn) await call('POST', `/api/agent/runs/${turn.run.id}/cancel`);
    else this.#stopWanted = true;
  }

  async #begin(text) {
    const title = Array.from(text.trim().split('\n')[0] ?? '')
      .slice(0, TITLE_LENGTH)
      .join('');
    const session = await call('POST', '/api/agent/sessions', { title });
    this.listener.onSession(session);
    return session;
  }

  #showRuns(runs, messages) {
    for (const own of copiedTurns(messages.get(null))) {
      const none = { id: '', status: 'copied' };
      this.#addTurn(none, userText(own), pastView(none, own));
    }
    for (const [index, run] of runs.entries()) {
      const own = messages.get(run.id);
      const past = run.ended_at !== null && index < runs.length - 1;
      this.#addTurn(run, userText(own), past ? pastView(run, own) : this.#viewOf(run));
    }
  }

  #viewOf(run) {
    const decide = (callId, decision) => this.#decide(run, callId, decision);
    return new RunView(decide, () => this.listener.onChange());
  }

  #addTurn(run, text, view) {
    this.#turns.push({ run, view });
    const said = element('article', { class: 'said', 'aria-label': 'You', dir: 'auto' }, reveal(text));
    this.place.append(said, view.element);
    this.#tellBusy();
    this.listener.onChange();
  }

  /** Opens the stream of the first run that is not over, unless one is open. */
  #follow() {
    const turn = this.#turns.find(({ view }) => !view.over);
    if (!turn || (this.#stream && !this.#stream.ended)) return;
    this.#stream = new RunStream({
      sessionId: this.sessionId,
      runId: turn.run.id,
      onState: (state, reconnects) => this.listener.onConnection(state, reconnects),
      onEvent: (event) => {
        turn.view.apply(event);
        this.listener.onChange();
        if (!turn.view.over) return;
        this.#tellBusy();
        queueMicrotask(() => this.#follow());
      },
      decide: () => this.#mayGoOn(turn.run),
    });
    this.#stream.open();
  }

  /** Whether the run can be followed further: not when it, or the right to see it, is gone. */
  async #mayGoOn(run) {
    try {
      await call('GET', `/api/agent/runs/${run.id}`);
      return true;
    } catch (error) {
      if (![401, 403, 404].includes(error.status)) return true;
      this.listener.onError(error);
      return false;
    }
  }

  async #decide(run, callId, decision) {
    const path = `/api/agent/runs/${run.id}/tool_calls/${encodeURIComponent(callId)}/decision`;
    try {
      await call('POST', path, { decision });
      return true;
    } catch (error) {
      this.listener.onError(error);
      return false;
    }
  }

  #tellBusy() {
    this.listener.onBusy(this.#turns.some(({ view }) => !view.over));
  }
}
