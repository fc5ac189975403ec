import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { newId } from '../../database/ids.js';
import type { LogPage } from '../../event-log/event-log.js';
import { HeartbeatWheel } from '../heartbeat-wheel.js';
import type { ViewBatch } from '../view-plan.js';
import { STREAM_HEADERS, writeEvents } from './sse-writer.js';

const MEGABYTE = 1_048_576;
const HOUR = 3_600_000;
/** Turns of a period. */
const LAP = 150;
const runId = newId('run');

function page(firstSeq: number, ...texts: string[]): LogPage {
  const entries = texts.map((text) => ({ type: 'token' as const, data: JSON.stringify({ text }) }));
  return { runId, attempt: 1, firstSeq, entries };
}

/** Batches as fast as they are taken, and how many bytes of text were taken so far. */
function endless(bytes: number) {
  const taken = { batches: 0, ended: false };
  async function* batches(): AsyncGenerator<ViewBatch, void> {
    try {
      for (;;) {
        taken.batches += 1;
        yield [page(taken.batches, 'x'.repeat(bytes))];
      }
    } finally {
      taken.ended = true;
    }
  }
  return { taken, batches: batches() };
}

async function* listed(...batches: ViewBatch[]): AsyncGenerator<ViewBatch, void> {
  yield* batches;
}

let server: Server | undefined;
let client: Socket | undefined;
let wheel: HeartbeatWheel | undefined;

afterEach(() => {
  client?.destroy();
  server?.closeAllConnections();
  server?.close();
  wheel?.stop();
});

/** The response to a client that reads nothing until it is told to. */
async function responseTo(version = '1.1'): Promise<ServerResponse> {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  client.write(`GET / HTTP/${version}\r\nHost: x\r\n\r\n`);
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  response.writeHead(200, STREAM_HEADERS).flushHeaders();
  return response;
}

function newWheel(): HeartbeatWheel {
  wheel = new HeartbeatWheel(HOUR, undefined, () => 0);
  return wheel;
}

/** A lap of silence. */
function silence(turns = LAP): void {
  for (let count = 0; count < turns; count += 1) wheel?.advance();
}

/** The body, without what frames its chunks, once the response has ended. */
async function bodyOf(response: ServerResponse): Promise<string> {
  const chunks: Buffer[] = [];
  client!.on('data', (chunk) => chunks.push(chunk)).resume();
  response.end();
  await once(client!, 'end');
  const [, ...body] = Buffer.concat(chunks).toString().split('\r\n\r\n');
  return body.join('\r\n\r\n');
}

/** Turns of the event loop until nothing more is taken. */
async function standstill(taken: { batches: number }): Promise<number> {
  let before = -1;
  for (let quiet = 0; quiet < 200; quiet += 1) {
    if (taken.batches !== before) quiet = 0;
    before = taken.batches;
    await turn();
  }
  return before;
}

describe('a viewer that does not read', () => {
  it.each([
    ['a hundred bytes', 100],
    ['a kilobyte', 1_000],
    ['forty kilobytes', 40_000],
    ['more than a socket takes at once', 200_000],
  ])('is given no more than its socket holds, by batches of %s', async (_name, bytes) => {
    const response = await responseTo();
    const { taken, batches } = endless(bytes);
    const left = new AbortController();
    const writing = writeEvents(response, batches, left.signal, newWheel());

    await standstill(taken);

    expect(taken.batches * bytes).toBeLessThan(12 * MEGABYTE);
    expect(response.writableLength).toBeLessThan(MEGABYTE);

    left.abort();
    await writing;
    expect(taken.ended).toBe(true);
  });
});

/** Turns of the event loop until what was written has gone as far as it goes. */
async function settled(response: ServerResponse): Promise<void> {
  let before = -1;
  for (let quiet = 0; quiet < 100; quiet += 1) {
    const waiting = response.writableLength + client!.bytesRead;
    if (waiting !== before) quiet = 0;
    before = waiting;
    await turn();
  }
}

describe('a viewer for whom something waits', () => {
  it('is cut at the third heartbeat at which it has taken nothing, and its view is over', async () => {
    const response = await responseTo();
    const { taken, batches } = endless(200_000);
    const left = new AbortController();
    response.once('close', () => left.abort());
    const writing = writeEvents(response, batches, left.signal, newWheel());
    await standstill(taken);

    silence(3 * LAP - 1);
    expect(response.destroyed).toBe(false);
    silence(1);

    expect(response.destroyed).toBe(true);
    await writing;
    expect(taken.ended).toBe(true);
  });

  it('is waited for as long as it takes a part of it between heartbeats', async () => {
    const response = await responseTo();
    const { taken, batches } = endless(200_000);
    const left = new AbortController();
    const writing = writeEvents(response, batches, left.signal, newWheel());
    await standstill(taken);

    for (let count = 0; count < 10; count += 1) {
      silence(LAP);
      client!.resume();
      const { batches: before } = taken;
      while (taken.batches < before + 5) await turn();
      client!.pause();
      await settled(response);
    }

    expect(response.destroyed).toBe(false);
    left.abort();
    await writing;
  });

  it('is cut, too, when its view has ended and it does not take the rest', async () => {
    const response = await responseTo();
    const { taken, batches } = endless(200_000);
    const left = new AbortController();
    const writing = writeEvents(response, batches, left.signal, newWheel());
    await standstill(taken);
    left.abort();
    await writing;
    response.end();

    silence(3 * LAP);

    expect(response.destroyed).toBe(true);
  });
});

describe('a viewer that reads', () => {
  it('gets each batch as blocks to the byte, the first with the time after which to come back', async () => {
    const response = await responseTo('1.0');

    await writeEvents(
      response,
      listed([page(1, 'a', 'b'), page(3, 'c')], [page(4, 'd')]),
      new AbortController().signal,
      newWheel(),
    );

    const body = await bodyOf(response);
    const [retry] = /^retry: \d+\n/.exec(body)!;
    expect(body).toBe(
      `${retry}event: token\ndata: {"text":"a"}\nid: ${runId}.1.1\n\n` +
        `event: token\ndata: {"text":"b"}\nid: ${runId}.1.2\n\n` +
        `event: token\ndata: {"text":"c"}\nid: ${runId}.1.3\n\n` +
        `event: token\ndata: {"text":"d"}\nid: ${runId}.1.4\n\n`,
    );
    expect(Number(retry.slice(7))).toBeGreaterThanOrEqual(1_000);
    expect(Number(retry.slice(7))).toBeLessThanOrEqual(5_000);
  });

  it('is told in the first block, without an id, that its cursor could not be honoured', async () => {
    const response = await responseTo('1.0');

    await writeEvents(
      response,
      listed({ reset: { after: null, reason: 'cursor_not_found' } }, [page(1, 'a')]),
      new AbortController().signal,
      newWheel(),
    );

    expect((await bodyOf(response)).replace(/^retry: \d+\n/, '')).toBe(
      'event: reset\ndata: {"after":null,"reason":"cursor_not_found"}\n\n' +
        `event: token\ndata: {"text":"a"}\nid: ${runId}.1.1\n\n`,
    );
  });

  it('whose stream ends before its first event is told when to come back, and gets no block', async () => {
    const response = await responseTo('1.0');

    await writeEvents(response, listed(), new AbortController().signal, newWheel());

    expect(await bodyOf(response)).toMatch(/^retry: (1[0-4]\d{2}|1500)\n$/);
  });

  it('is told when to come back also when the server leaves while it waits for its first event', async () => {
    const response = await responseTo('1.0');
    const leaving = new AbortController();
    async function* batches(): AsyncGenerator<ViewBatch, void> {
      await once(leaving.signal, 'abort');
      yield [page(1, 'a')];
    }
    const writing = writeEvents(response, batches(), leaving.signal, newWheel());
    silence(2 * LAP);

    leaving.abort();
    await writing;

    expect(await bodyOf(response)).toMatch(/^(: hb\n){2}retry: (1[0-4]\d{2}|1500)\n$/);
  });

  it('spreads the time after which it comes back', async () => {
    const retries = new Set<string>();
    for (let count = 0; count < 20; count += 1) {
      const response = await responseTo('1.0');
      await writeEvents(response, listed([page(1, 'a')]), new AbortController().signal, newWheel());
      retries.add((await bodyOf(response)).slice(0, 11));
      server?.close();
      wheel?.stop();
    }
    expect(retries.size).toBeGreaterThan(15);
  });

  it('gets a heartbeat without a blank line after a period of silence, and none before', async () => {
    const response = await responseTo('1.0');
    const next = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    async function* batches(): AsyncGenerator<ViewBatch, void> {
      await next.promise;
      yield [page(1, 'a')];
      await end.promise;
    }
    const writing = writeEvents(response, batches(), new AbortController().signal, newWheel());

    silence(LAP);
    silence(LAP - 1);
    next.resolve();
    await turn();
    silence(LAP - 1);
    await turn();
    silence(1);
    end.resolve();
    await writing;
    await turn();
    silence(5 * LAP);

    expect((await bodyOf(response)).replace(/retry: \d+\n/, '')).toBe(
      `: hb\nevent: token\ndata: {"text":"a"}\nid: ${runId}.1.1\n\n: hb\n`,
    );
  });
});

describe('a viewer that leaves', () => {
  it('ends the writing quietly while it waits for events', async () => {
    const response = await responseTo();
    const left = new AbortController();
    async function* batches(): AsyncGenerator<ViewBatch, void> {
      yield [];
      await once(left.signal, 'abort');
    }
    const writing = writeEvents(response, batches(), left.signal, newWheel());

    client!.resetAndDestroy();
    await once(response, 'close');
    left.abort();
    await writing;
    silence(5 * LAP);
  });

  it('is written nothing more, also when nobody says that it has left', async () => {
    const response = await responseTo();
    const gate = Promise.withResolvers<void>();
    let taken = 0;
    async function* batches(): AsyncGenerator<ViewBatch, void> {
      for (;;) {
        await gate.promise;
        taken += 1;
        yield [page(taken, 'a')];
      }
    }
    const writing = writeEvents(response, batches(), new AbortController().signal, newWheel());

    client!.resetAndDestroy();
    await once(response, 'close');
    gate.resolve();
    await writing;

    expect(taken).toBe(1);
  });

  it('gets nothing for an ended response', async () => {
    const response = await responseTo('1.0');
    const left = new AbortController();
    response.end();
    left.abort();

    await writeEvents(response, listed([page(1, 'a')]), left.signal, newWheel());

    expect(await bodyOf(response)).toBe('');
  });
});

async function* failing(): AsyncGenerator<ViewBatch, void> {
  yield [page(1, 'a')];
  throw new Error('the log is gone');
}

it("an error of the log is the caller's, and stops the heartbeats", async () => {
  const response = await responseTo('1.0');

  await expect(writeEvents(response, failing(), new AbortController().signal, newWheel())).rejects.toThrow(
    'the log is gone',
  );

  await turn();
  silence(5 * LAP);
  expect(await bodyOf(response)).toMatch(/"text":"a"[^:]*id: \S+\n\n$/);
});
