import { describe, expect, it } from '@jest/globals';
import type { ViewBatch } from '../../agent/view-plan.js';
import type { LogEntry, LogPage } from '../../event-log/event-log.js';
import type { RunEvent } from '../../event-log/run-event.js';
import { type ClientPlace, readRun } from './read-run.js';
import { RunMapping } from './run-mapping.js';

const RUN = 'run_01h455vb4pex5vsknk084sn02q';

const entry = ({ type, data }: RunEvent): LogEntry => ({ type, data: JSON.stringify(data) });

function page(firstSeq: number, events: RunEvent[], attempt = 1): LogPage[] {
  return [{ runId: RUN, attempt, firstSeq, entries: events.map(entry) }];
}

const token = (text: string): RunEvent => ({ type: 'token', data: { text } });
const status = (of: 'running' | 'waiting'): RunEvent => ({
  type: 'run',
  data: { run_id: RUN, session_id: 'ses_1', status: of, attempt: 1, model: 'm' },
});
const asks: RunEvent[] = [
  { type: 'tool_call', data: { id: 'a', name: 'pay', args: {} } },
  { type: 'approval', data: { id: 'a', name: 'pay', args: {}, expires_at: '2026-11-26T01:00:00Z' } },
  status('waiting'),
];
const answered: RunEvent = {
  type: 'tool_result',
  data: { id: 'a', name: 'pay', result: 'paid', is_error: false, duration_ms: 1 },
};

/** Types of what is told, batch by batch; a text with what it says. */
async function read(batches: ViewBatch[], place: Partial<ClientPlace> = {}): Promise<string[][]> {
  const mapping = new RunMapping({ threadId: 't', runId: 'r', state: {}, history: [] });
  const told: string[][] = [];
  async function* source() {
    for (const batch of batches) yield await Promise.resolve(batch);
  }
  const from = { upTo: undefined, decided: new Set<string>(), ...place };
  for await (const events of readRun(mapping, source(), from)) {
    told.push(
      events.map((event) => {
        if (event.type === 'TEXT_MESSAGE_CONTENT') return event.delta;
        if (event.type !== 'MESSAGES_SNAPSHOT') return event.type;
        return `snapshot ${event.messages.map((message) => ('content' in message ? message.content : '')).join()}`;
      }),
    );
  }
  return told;
}

const upTo = (seq: number, attempt = 1) => ({ upTo: { runId: RUN, attempt, seq } });

describe('what a client is told of a run', () => {
  it('who has nothing is told everything, as it comes', async () => {
    expect(await read([page(1, [token('a')]), page(2, [token('b')])])).toEqual([
      ['TEXT_MESSAGE_START', 'a'],
      ['b'],
    ]);
  });

  it('who may have a part gets that part as one snapshot, then what follows', async () => {
    const batches = [page(1, [token('a')]), page(2, [token('b'), token('c')]), page(4, [token('d')])];
    expect(await read(batches, upTo(2))).toEqual([['snapshot ab', 'TEXT_MESSAGE_START', 'c'], ['d']]);
  });

  it('who answers what the run waits for gets what follows alone', async () => {
    const batches = [page(1, asks), page(4, [status('running'), answered], 2)];
    expect(await read(batches, { ...upTo(3), decided: new Set(['a']) })).toEqual([['TOOL_CALL_RESULT']]);
  });

  it('who does not answer it gets the question again, and nothing after it', async () => {
    const batches = [page(1, asks), page(4, [status('running'), answered], 2)];
    expect(await read(batches, upTo(3))).toEqual([['STATE_SNAPSHOT', 'snapshot ', 'RUN_FINISHED']]);
  });

  it('who comes back after the answer is not asked again', async () => {
    const batches = [page(1, asks), page(4, [status('running'), answered], 2)];
    expect(await read(batches, { ...upTo(5, 2), decided: new Set(['a']) })).toEqual([['snapshot ,paid']]);
  });

  it('a log that was lost meanwhile is told from its beginning', async () => {
    const lost = { reset: { after: null, reason: 'log_lost' } };
    const batches = [page(1, [token('a')]), lost, page(1, [token('A')], 2)];
    expect(await read(batches, upTo(9))).toEqual([
      ['TEXT_MESSAGE_END', 'snapshot '],
      ['TEXT_MESSAGE_START', 'A'],
    ]);
  });

  it('a log that was written anew in fewer events is not waited for', async () => {
    expect(await read([page(1, [token('all of it')], 2)], upTo(9))).toEqual([
      ['snapshot all of it', 'TEXT_MESSAGE_START'],
    ]);
  });
});
