import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';

interface StreamOptions {
  sessionId: string;
  runId: string;
  onEvent: (event: { type: string; id: string; data: unknown }) => void;
  onState: (state: string, reconnects: number) => void;
  decide: () => Promise<boolean>;
}

/** The script of the page, loaded as a browser would: it is not part of what is compiled. */
const path = './public/run/run-stream.js';
const { RunStream } = (await import(path)) as {
  RunStream: new (options: StreamOptions) => { open(): void; close(): void };
};

/** What a browser does on its side of an EventSource is done by the test. */
class EventSourceDouble extends EventTarget {
  static readonly CLOSED = 2;
  static opened: EventSourceDouble[] = [];
  readyState = 0;

  constructor(readonly url: string) {
    super();
    EventSourceDouble.opened.push(this);
  }

  close() {
    this.readyState = 2;
  }

  open() {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  send(type: string, seq: number, data: unknown) {
    this.dispatchEvent(new MessageEvent(type, { lastEventId: `run_1.1.${seq}`, data: JSON.stringify(data) }));
  }

  /** The connection is gone; the browser comes back by itself unless it has given up. */
  cut(gaveUp = false) {
    this.readyState = gaveUp ? 2 : 0;
    this.dispatchEvent(new Event('error'));
  }
}

const browser = globalThis.EventSource;
beforeAll(() => {
  globalThis.EventSource = EventSourceDouble as unknown as typeof EventSource;
  jest.useFakeTimers();
});
afterAll(() => {
  globalThis.EventSource = browser;
  jest.useRealTimers();
});
beforeEach(() => {
  EventSourceDouble.opened = [];
});

function follow(decide = async () => true) {
  const events: string[] = [];
  const states: string[] = [];
  const stream = new RunStream({
    sessionId: 'ses_1',
    runId: 'run_1',
    onEvent: ({ type, id, data }) => events.push(`${id} ${type} ${JSON.stringify(data)}`),
    onState: (state, reconnects) => states.push(`${state} ${reconnects}`),
    decide,
  });
  stream.open();
  return { events, states, stream, source: EventSourceDouble.opened[0]! };
}

describe('the stream of a run in the page', () => {
  it('asks for the run and hands its events on, until done', () => {
    const { events, states, source } = follow();
    expect(source.url).toBe('/api/agent/stream?session_id=ses_1&run_id=run_1');
    source.open();
    source.send('token', 1, { text: 'Hi' });
    source.send('done', 2, { status: 'completed' });
    source.send('token', 3, { text: 'never' });
    expect(events).toEqual(['run_1.1.1 token {"text":"Hi"}', 'run_1.1.2 done {"status":"completed"}']);
    expect(states).toEqual(['connecting 0', 'live 0', 'over 0']);
    expect(source.readyState).toBe(EventSourceDouble.CLOSED);
  });

  it('takes an error with data for an event of the run, and one without for a cut', () => {
    const { events, states, source } = follow();
    source.open();
    source.send('error', 1, { error: 'No answer', code: 'model_idle', retryable: true });
    expect(states).toEqual(['connecting 0', 'live 0']);
    source.cut();
    expect(events).toHaveLength(1);
    expect(states).toEqual(['connecting 0', 'live 0', 'reconnecting 1']);
  });

  it('leaves a cut to the browser and counts it', () => {
    const { states, source } = follow();
    source.open();
    source.cut();
    source.open();
    source.cut();
    source.open();
    expect(EventSourceDouble.opened).toHaveLength(1);
    expect(states.slice(2)).toEqual(['reconnecting 1', 'live 1', 'reconnecting 2', 'live 2']);
  });

  it('connects again after its last event when the browser has given up', async () => {
    const { events, states, source } = follow();
    source.open();
    source.send('token', 7, { text: 'Hi' });
    source.cut(true);
    await jest.advanceTimersByTimeAsync(1_000);
    const [, next] = EventSourceDouble.opened;
    expect(next!.url).toBe('/api/agent/stream?session_id=ses_1&run_id=run_1&last_event_id=run_1.1.7');
    next!.open();
    next!.send('done', 8, { status: 'completed' });
    expect(events).toHaveLength(2);
    expect(states.slice(2)).toEqual(['reconnecting 1', 'live 1', 'over 1']);
  });

  it('stays away when there is nothing to follow any more', async () => {
    const { states, source } = follow(async () => false);
    source.cut(true);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(EventSourceDouble.opened).toHaveLength(1);
    expect(states).toEqual(['connecting 0', 'reconnecting 1', 'over 1']);
  });

  it('tells nothing after it was closed, also when it was about to connect again', async () => {
    const { events, states, stream, source } = follow();
    source.cut(true);
    stream.close();
    await jest.advanceTimersByTimeAsync(60_000);
    source.send('token', 1, { text: 'late' });
    expect(EventSourceDouble.opened).toHaveLength(1);
    expect(events).toEqual([]);
    expect(states).toEqual(['connecting 0', 'reconnecting 1']);
  });
});
