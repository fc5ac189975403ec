/** What happened to the connection, beside the types of events. */
const CONNECTION = ['asked', 'open', 'lost', 'over'];

/** By what a person looks: the kinds of rows, with the types that belong to them. */
export const KINDS = {
  text: ['token', 'thinking'],
  tools: ['tool_call', 'approval', 'tool_result'],
  run: ['run', 'error', 'done'],
  connection: [...CONNECTION, 'reset'],
};

const kindOf = (type) => Object.keys(KINDS).find((kind) => KINDS[kind].includes(type)) ?? 'run';

/** Place of an event in its run: the last part of `<run_id>.<attempt>.<seq>`. */
const seqOf = (id) => Number(id.slice(id.lastIndexOf('.') + 1));

const encoder = new TextEncoder();

/**
 * What this page has received of one run, and what became of its connections, in order. Pieces of text that came one
 * after the other are one row, so that thousands of them cost as much as one.
 */
export class WireLog {
  /** `{kind, type, entries, size, taken}`; `taken`: so many of its entries were taken back by a `reset`. */
  rows = [];
  entries = [];
  events = 0;
  size = 0;
  reconnects = 0;
  /** How often rows were changed that are not the last. */
  rewritten = 0;
  #isUp = false;

  /**
   * @param {number} age milliseconds since the run began
   * @param {() => number} now milliseconds of any clock
   */
  constructor(age = 0, now = () => performance.now()) {
    this.now = now;
    this.began = now() - age;
  }

  /** @param {{type: string, id: string | null, data: any}} event as it was received */
  event({ type, id, data }) {
    const size = encoder.encode(JSON.stringify(data)).length;
    if (type === 'reset') this.#takeBack(data.after);
    this.#add({ type, id, data, size });
    this.events += 1;
    this.size += size;
  }

  /** @param {{kind: string}} happening as `agentline/client` tells it (`onWire`) */
  happening({ kind, ...data }) {
    // However often it is tried again.
    if (kind === 'lost' && this.#isUp) this.reconnects += 1;
    this.#isUp = kind === 'open' || (this.#isUp && kind !== 'lost');
    this.#add({ type: kind, id: null, data, size: 0 });
  }

  /** Each entry as one line of JSON. */
  lines() {
    return this.entries.map((entry) => JSON.stringify(lineOf(entry))).join('\n') + '\n';
  }

  #add(fields) {
    const entry = { at: this.now() - this.began, taken: false, ...fields };
    this.entries.push(entry);
    const last = this.rows.at(-1);
    if (KINDS.text.includes(entry.type) && last?.type === entry.type && last.taken === 0) {
      last.entries.push(entry);
      last.size += entry.size;
      return;
    }
    const { type, size } = entry;
    this.rows.push({ kind: kindOf(type), type, entries: [entry], size, taken: 0 });
  }

  /** Events after this one of the run are not true any more; null: all of them. */
  #takeBack(after) {
    const place = after === null ? 0 : seqOf(after);
    for (const row of this.rows) {
      for (const entry of row.entries)
        if (entry.id !== null && entry.type !== 'reset' && seqOf(entry.id) > place) entry.taken = true;
      row.taken = row.entries.filter(({ taken }) => taken).length;
    }
    this.rewritten += 1;
  }
}

function lineOf({ at, type, id, data, taken }) {
  const line = { at_ms: Math.round(at), ...(id !== null && { id }) };
  if (taken) line.taken_back = true;
  if (!CONNECTION.includes(type)) return { ...line, event: type, data };
  const { error, ...rest } = data;
  return { ...line, connection: type, ...rest, ...(error && { error: error.message }) };
}
