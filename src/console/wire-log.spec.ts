import { describe, expect, it } from '@jest/globals';

interface Row {
  kind: string;
  type: string;
  entries: { at: number; taken: boolean }[];
  size: number;
  taken: number;
}
interface Log {
  rows: Row[];
  entries: unknown[];
  events: number;
  reconnects: number;
  event(event: { type: string; id: string | null; data: unknown }): void;
  happening(happening: { kind: string }): void;
  lines(): string;
}

/** Scripts of the page, loaded as a browser would: they are not part of what is compiled. */
const [logPath, wordsPath] = ['./public/run/wire-log.js', './public/run/wire-words.js'];
const { WireLog } = (await import(logPath)) as { WireLog: new (age?: number, now?: () => number) => Log };
const { nameOf, placesOf, wordsOf } = (await import(wordsPath)) as Record<
  'nameOf' | 'placesOf' | 'wordsOf',
  (row: Row) => string
>;

let time = 0;
const now = () => time;

function logOf(...events: [type: string, seq: number, data: unknown][]): Log {
  time = 1_000;
  const log = new WireLog(500, now);
  for (const [type, seq, data] of events) {
    time += 100;
    log.event({ type, id: `run_1.1.${seq}`, data });
  }
  return log;
}

const token = (seq: number, text = 'x'): [string, number, unknown] => ['token', seq, { text }];
const shown = (log: Log) => log.rows.map((row) => `${row.kind} ${nameOf(row)}: ${wordsOf(row)}`);

describe('what happened on the wire', () => {
  it('is one row for pieces of text that follow each other, with how long they took', () => {
    const run = { status: 'running', attempt: 1 };
    const log = logOf(['run', 1, run], token(2), token(3), token(4), ['thinking', 5, { text: 'h\u200bm' }]);
    expect(shown(log)).toEqual([
      'run run: running · attempt 1',
      'text token: 3 tokens, 200 ms',
      String.raw`text thinking: "h\u200bm"`,
    ]);
    expect(log.rows[1]).toMatchObject({ size: 36, entries: [{ at: 700 }, { at: 800 }, { at: 900 }] });
    expect(log.rows.map(placesOf)).toEqual(['1.1', '1.2–4', '1.5']);
    expect(log.events).toBe(5);
  });

  it('says what became of connections, and after which event the next began', () => {
    const log = logOf();
    log.happening({ kind: 'open' });
    log.event({ type: 'token', id: 'run_1.1.1', data: { text: 'x' } });
    log.happening({ kind: 'lost', error: null, retry_ms: 1_000 } as never);
    log.happening({ kind: 'asked', last_event_id: 'run_1.1.1' } as never);
    log.happening({ kind: 'lost', error: new Error('No answer.'), retry_ms: 1_500 } as never);
    log.happening({ kind: 'asked', last_event_id: 'run_1.1.1' } as never);
    log.happening({ kind: 'open' });
    log.event({ type: 'token', id: 'run_1.1.2', data: { text: 'y' } });
    expect(shown(log)).toEqual([
      'connection connected: ',
      'text token: "x"',
      'connection cut: again in 1.0 s: The connection has ended.',
      'connection connect: after 1.1',
      'connection cut: again in 1.5 s: No answer.',
      'connection connect: after 1.1',
      'connection connected: ',
      'text token: "y"',
    ]);
    expect(log.reconnects).toBe(1);
  });

  it('marks what a reset has taken back, and nothing that comes after it', () => {
    const log = logOf(token(1), token(2), token(3), ['reset', 4, { after: 'run_1.1.1', reason: 'again' }]);
    log.event({ type: 'token', id: 'run_1.1.5', data: { text: 'y' } });
    expect(log.rows.map(({ type, taken, entries }) => [type, taken, entries.length])).toEqual([
      ['token', 2, 3],
      ['reset', 0, 1],
      ['token', 0, 1],
    ]);
    expect(shown(log)[1]).toBe('connection reset: back to 1.1: again');
  });

  it('takes everything back when the reset belongs to this viewer alone', () => {
    const log = logOf(token(1), token(2));
    log.event({ type: 'reset', id: null, data: { after: null, reason: 'the log was lost' } });
    expect(log.rows.map(({ taken }) => taken)).toEqual([2, 0]);
  });

  it('is told as lines of JSON', () => {
    const log = logOf(token(1));
    log.happening({ kind: 'lost', error: null, retry_ms: 1_000 } as never);
    log.event({ type: 'reset', id: null, data: { after: null, reason: 'r' } });
    expect(log.lines()).toBe(
      [
        '{"at_ms":600,"id":"run_1.1.1","taken_back":true,"event":"token","data":{"text":"x"}}',
        '{"at_ms":600,"connection":"lost","retry_ms":1000}',
        '{"at_ms":600,"event":"reset","data":{"after":null,"reason":"r"}}\n',
      ].join('\n'),
    );
  });

  it('holds ten thousand events in a handful of rows', () => {
    const log = logOf(...Array.from({ length: 10_000 }, (_, n) => token(n + 1)));
    expect(log.rows).toHaveLength(1);
    expect(wordsOf(log.rows[0]!)).toBe('10,000 tokens, 16 min 39 s');
  });
});
