import { describe, expect, it } from '@jest/globals';
import { createParser } from 'eventsource-parser';
import { array, assert, integer, property, string } from 'fast-check';
import { newId } from '../../database/ids.js';
import type { LogPage } from '../../event-log/event-log.js';
import { contentOf, contentsOf, sseChunks, ssePage, sseReset } from './sse-frames.js';

const runId = newId('run');

function pageOf(texts: string[], place = { attempt: 1, firstSeq: 1 }): LogPage {
  const entries = texts.map((text) => ({ type: 'token' as const, data: JSON.stringify({ text }) }));
  return { runId, ...place, entries };
}

interface Parsed {
  event: string | undefined;
  id: string | undefined;
  data: string;
}

/** What a client makes of the bytes when they come in pieces of these sizes, over and over. */
function parsed(bytes: Buffer, sizes: number[] = [bytes.length]): { events: Parsed[]; errors: Error[] } {
  const events: Parsed[] = [];
  const errors: Error[] = [];
  const parser = createParser({
    onEvent: ({ event, id, data }) => events.push({ event, id, data }),
    onError: (error) => errors.push(error),
  });
  const decoder = new TextDecoder();
  for (let from = 0, turn = 0; from < bytes.length; turn += 1) {
    const to = from + (sizes[turn % sizes.length] ?? 1);
    parser.feed(decoder.decode(bytes.subarray(from, to), { stream: true }));
    from = to;
  }
  return { events, errors };
}

describe('a page as server-sent events', () => {
  it('is one block an event: event, data, and the id last, with line feeds only', () => {
    const page: LogPage = {
      runId,
      attempt: 3,
      firstSeq: 41,
      entries: [
        { type: 'tool_call', data: '{"id":"toolu_1","name":"get_time","args":{}}' },
        { type: 'done', data: '{"status":"completed"}' },
      ],
    };

    expect(ssePage(page).toString()).toBe(
      `event: tool_call\ndata: {"id":"toolu_1","name":"get_time","args":{}}\nid: ${runId}.3.41\n\n` +
        `event: done\ndata: {"status":"completed"}\nid: ${runId}.3.42\n\n`,
    );
  });

  it('is made once for all viewers', () => {
    const page = pageOf(['a']);
    expect(sseChunks([page])[0]).toBe(sseChunks([page])[0]);
  });

  it('is one piece with small ones that follow, made once for all who are at the same place', () => {
    const pages = [pageOf(['a', 'é']), pageOf(['b'], { attempt: 1, firstSeq: 3 })];
    const [first, second] = pages.map((page) => ssePage(page));
    const length = first!.length.toString(16);
    const piece = sseChunks(pages);
    expect(piece).toHaveLength(1);
    expect(piece[0]!.toString()).toMatch(new RegExp(`^${length}\r\n[^]*\n\n\r\n[0-9a-f]+\r\n`));
    expect(contentsOf(piece[0]!)).toEqual([first, second]);
    expect(sseChunks([...pages])).toBe(piece);
    expect(contentsOf(sseChunks(pages.slice(1))[0]!)).toEqual([second]);
  });

  it('is not copied when it is large', () => {
    const pages = [pageOf(['x'.repeat(20_000)]), pageOf(['b'], { attempt: 1, firstSeq: 2 })];
    expect(sseChunks(pages)).toEqual(pages.map((page) => sseChunks([page])[0]));
    expect(sseChunks(pages)[0]).toBe(sseChunks(pages.slice(0, 1))[0]);
  });

  it('is nothing without pages, since an empty chunk would end the body', () => {
    expect(sseChunks([])).toHaveLength(0);
  });

  it.each([
    ['the end of a block and another event', 'a\n\nevent: done\ndata: {}\nid: x\n\n'],
    ['carriage returns', 'a\r\rb\r\n\r\nevent: x'],
    ['NUL', 'a\u0000b'],
    ['line and paragraph separators', 'a\u2028b\u2029c\u0085d'],
    ['a byte order mark', '\ufeffa'],
    ['emoji, joiners and directions', '👩‍👩‍👧‍👦 \u202e‮ \u{e0041}'],
    ['half a surrogate pair, first and second', '\ud83d|\ude00'],
    ['a comment and a retry', ': hb\nretry: 1\n'],
  ])('carries text of %s as data of one event', (_name, text) => {
    const bytes = Buffer.from(ssePage(pageOf([text, 'next'])));

    const { events, errors } = parsed(bytes);

    expect(errors).toEqual([]);
    expect(events).toEqual([
      { event: 'token', id: `${runId}.1.1`, data: JSON.stringify({ text }) },
      { event: 'token', id: `${runId}.1.2`, data: '{"text":"next"}' },
    ]);
    expect(JSON.parse(events[0]!.data)).toEqual({ text });
    expect(bytes.toString().split('\n')).toHaveLength(9);
    expect(bytes.includes('\r')).toBe(false);
    expect(Buffer.from(bytes.toString())).toEqual(bytes);
  });

  it('is read the same by a client wherever the bytes are cut', () => {
    const texts = array(string({ unit: 'binary', maxLength: 30 }), { minLength: 1, maxLength: 5 });
    const sizes = array(integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
    assert(
      property(texts, sizes, (said, cuts) => {
        const { events, errors } = parsed(Buffer.from(ssePage(pageOf(said))), cuts);
        expect(errors).toEqual([]);
        expect(events).toEqual(
          said.map((text, index) => ({
            event: 'token',
            id: `${runId}.1.${index + 1}`,
            data: JSON.stringify({ text }),
          })),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('keeps what a cut block would have said for the next connection: its id comes with its end only', () => {
    const bytes = Buffer.from(ssePage(pageOf(['a', 'b'])));
    const second = bytes.indexOf('\n\n') + 2;
    for (let cut = second; cut < bytes.length; cut += 1) {
      expect(parsed(bytes.subarray(0, cut)).events.map(({ id }) => id)).toEqual([`${runId}.1.1`]);
    }
  });
});

describe('the reset of one viewer', () => {
  it('is a block without an id, so the viewer keeps the cursor that it has', () => {
    const bytes = Buffer.from(contentOf(sseReset({ reset: { after: null, reason: 'cursor_not_found' } })));
    expect(bytes.toString()).toBe('event: reset\ndata: {"after":null,"reason":"cursor_not_found"}\n\n');
    expect(parsed(bytes).events).toEqual([
      { event: 'reset', id: undefined, data: '{"after":null,"reason":"cursor_not_found"}' },
    ]);
  });
});
