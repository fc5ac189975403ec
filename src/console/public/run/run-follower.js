import { client } from '../page/client.js';

const NETWORK_CHANGED = Symbol('network changed');

/**
 * The events of one run by `agentline/client`, each once and in order, over as many connections as it takes. When the
 * browser says that the network has gone or is back, it does not wait for the connection to notice.
 */
export class RunFollower {
  #closed = new AbortController();
  #cut = new AbortController();
  #reconnects = 0;
  #isUp = false;

  /**
   * @param {object} run `id` and `session_id`
   * @param {object} listener
   * @param {(event: {type: string, id: string | null, data: any}) => void} listener.onEvent
   * @param {(happening: {kind: string}) => void} listener.onWire
   * @param {(state: 'connecting' | 'live' | 'reconnecting' | 'over', reconnects: number) => void} listener.onState
   * @param {(error?: Error) => void} listener.onEnd after `done`, or when the server has refused for good
   */
  constructor({ id, session_id }, listener) {
    this.target = { run_id: id, session_id };
    this.listener = listener;
    this.ended = false;
    for (const type of ['offline', 'online'])
      addEventListener(type, () => this.#cut.abort(NETWORK_CHANGED), { signal: this.#closed.signal });
  }

  /** Nothing more is told after this. */
  close() {
    this.ended = true;
    this.#closed.abort();
  }

  async follow() {
    this.#tell('connecting');
    let failure;
    try {
      for (let cursor; ;) {
        const stream = this.#stream(cursor);
        if (await this.#read(stream)) break;
        cursor = stream.lastEventId;
      }
    } catch (error) {
      failure = error;
    }
    if (this.ended) return;
    this.#tell('over');
    this.close();
    this.listener.onEnd(failure);
  }

  #stream(cursor) {
    this.#cut = new AbortController();
    const signal = AbortSignal.any([this.#closed.signal, this.#cut.signal]);
    return client.follow(
      { ...this.target, last_event_id: cursor },
      { signal, onWire: (what) => this.#hear(what) },
    );
  }

  /** @returns whether it has come to its end, and not to that of a network */
  async #read(stream) {
    try {
      for await (const event of stream) {
        if (this.ended) return true;
        this.listener.onEvent(event);
      }
      return true;
    } catch (error) {
      if (error !== NETWORK_CHANGED) throw error;
      const words = navigator.onLine ? 'The network is back.' : 'The browser says that it is offline.';
      this.#hear({ kind: 'lost', error: new Error(words), retry_ms: 0 });
      return false;
    }
  }

  #hear(happening) {
    if (this.ended) return;
    this.listener.onWire(happening);
    if (happening.kind === 'open') {
      this.#isUp = true;
      this.#tell('live');
    }
    if (happening.kind !== 'lost') return;
    this.#reconnects += Number(this.#isUp);
    this.#isUp = false;
    this.#tell('reconnecting');
  }

  #tell(state) {
    if (!this.ended) this.listener.onState(state, this.#reconnects);
  }
}
