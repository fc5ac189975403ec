const TYPES = ['run', 'token', 'thinking', 'tool_call', 'approval', 'tool_result', 'reset', 'done'];

/** Milliseconds; the longest wait before an own attempt to connect again. */
const LONGEST_WAIT = 15_000;

/**
 * The events of one run, each once and in order, over as many connections as it takes.
 *
 * After a cut the browser reconnects by itself and sends the last id that it saw. It gives up for good on any
 * answer but a stream (WHATWG HTML §9.2.3), also when a proxy fails for a moment: then `decide` is asked
 * whether the run can still say something, and a new connection begins at the last id.
 */
export class RunStream {
  #source = null;
  #timer = 0;
  #failures = 0;
  #lastEventId = '';

  /**
   * @param {object} options
   * @param {string} options.sessionId
   * @param {string} options.runId
   * @param {(event: {type: string, id: string, data: any}) => void} options.onEvent
   * @param {(state: 'connecting' | 'live' | 'reconnecting' | 'over', reconnects: number) => void} options.onState
   * @param {() => Promise<boolean>} options.decide whether to connect again after the browser gave up
   */
  constructor(options) {
    this.options = options;
    this.reconnects = 0;
    this.ended = false;
  }

  open() {
    const query = new URLSearchParams({ session_id: this.options.sessionId, run_id: this.options.runId });
    if (this.#lastEventId) query.set('last_event_id', this.#lastEventId);
    if (this.reconnects === 0) this.#tell('connecting');
    const source = new EventSource(`/api/agent/stream?${query}`);
    this.#source = source;
    source.addEventListener('open', () => {
      this.#failures = 0;
      this.#tell('live');
    });
    for (const type of TYPES) source.addEventListener(type, (message) => this.#receive(type, message));
    source.addEventListener('error', (message) => {
      // Our own `error` event has data; without data it is the browser that speaks of the connection.
      if (message instanceof MessageEvent) this.#receive('error', message);
      else this.#cut(source);
    });
  }

  /** Nothing more is told after this. */
  close() {
    this.ended = true;
    clearTimeout(this.#timer);
    this.#source?.close();
  }

  #receive(type, message) {
    if (this.ended) return;
    this.#lastEventId = message.lastEventId;
    if (type === 'done') this.close();
    this.options.onEvent({ type, id: message.lastEventId, data: JSON.parse(message.data) });
    if (type === 'done') this.options.onState('over', this.reconnects);
  }

  #cut(source) {
    if (this.ended) return;
    this.reconnects += 1;
    this.#tell('reconnecting');
    if (source.readyState !== EventSource.CLOSED) return;
    // Full jitter, so that all pages of a server that was away do not come back at once.
    const wait = Math.random() * Math.min(LONGEST_WAIT, 1000 * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#again(), wait);
  }

  async #again() {
    const again = await this.options.decide();
    if (this.ended) return;
    if (again) this.open();
    else {
      this.close();
      this.options.onState('over', this.reconnects);
    }
  }

  #tell(state) {
    if (!this.ended) this.options.onState(state, this.reconnects);
  }
}
