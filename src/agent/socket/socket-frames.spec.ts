import { describe, expect, it } from '@jest/globals';
import { newId } from '../../database/ids.js';
import type { LogPage } from '../../event-log/event-log.js';
import { ssePage } from '../sse/sse-frames.js';
import { socketFrames, textFrames } from './socket-frames.js';

const runId = newId('run');
const HOSTILE = ['a\n\nevent: done\ndata: {}', '\r\u2028\u0000', '\ud83d', '"}],{"event":"x"', '😀'];
const page: LogPage = {
  runId,
  attempt: 2,
  firstSeq: 7,
  entries: HOSTILE.map((text) => ({ type: 'token', data: JSON.stringify({ text }) })),
};

/** The texts of a server's frames (RFC 6455 §5.2). */
function texts(parts: readonly Buffer[]): string[] {
  const frames = Buffer.concat(parts);
  const found: string[] = [];
  for (let at = 0; at < frames.length;) {
    expect(frames[at]).toBe(0x81);
    const short = frames[at + 1]!;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    const length =
      short < 126
        ? short
        : short === 126
          ? frames.readUInt16BE(at + 2)
          : Number(frames.readBigUInt64BE(at + 2));
    found.push(frames.toString('utf8', at + head, at + head + length));
    at += head + length;
  }
  return found;
}

describe('a page as frames of a socket', () => {
  it('is one JSON text an event, with the event, id and data of the stream to the byte', () => {
    const frames = texts(socketFrames([page]));
    const blocks = ssePage(page).toString().split('\n\n').slice(0, -1);
    expect(frames).toHaveLength(HOSTILE.length);
    for (const [index, frame] of frames.entries()) {
      const { event, id, data, ...rest } = JSON.parse(frame) as { event: string; id: string; data: unknown };
      expect(rest).toEqual({});
      expect(data).toEqual({ text: HOSTILE[index] });
      expect(frame.endsWith(`"data":${page.entries[index]!.data}}`)).toBe(true);
      expect(`event: ${event}\ndata: ${page.entries[index]!.data}\nid: ${id}`).toBe(blocks[index]);
    }
  });

  it('is made once for all viewers', () => {
    expect(socketFrames([page])[0]).toBe(socketFrames([page])[0]);
    const next = { ...page, firstSeq: 12 };
    const both = socketFrames([page, next]);
    expect(texts(both)).toEqual([...texts(socketFrames([page])), ...texts(socketFrames([next]))]);
    expect(both).toHaveLength(1);
    expect(socketFrames([page, next])).toBe(both);
    expect(socketFrames([])).toHaveLength(0);
  });
});

it('the reset of one viewer has no id', () => {
  expect(texts(socketFrames({ reset: { after: null, reason: 'cursor_not_found' } }))).toEqual([
    '{"event":"reset","data":{"after":null,"reason":"cursor_not_found"}}',
  ]);
});

it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('a text of %d bytes is one whole frame', (length) => {
  const text = 'x'.repeat(length);
  expect(texts([textFrames([text])])).toEqual([text]);
});
