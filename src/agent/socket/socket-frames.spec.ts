import { describe, expect, it } from '@jest/globals';
import { newId } from '../../database/ids.js';
import type { LogPage } from '../../event-log/event-log.js';
import { ssePage } from '../sse/sse-frames.js';
import { socketFrames } from './socket-frames.js';

const runId = newId('run');
const HOSTILE = ['a\n\nevent: done\ndata: {}', '\r\u2028\u0000', '\ud83d', '"}],{"event":"x"', '😀'];
const page: LogPage = {
  runId,
  attempt: 2,
  firstSeq: 7,
  entries: HOSTILE.map((text) => ({ type: 'token', data: JSON.stringify({ text }) })),
};

describe('a page as frames of a socket', () => {
  it('is one JSON text an event, with the event, id and data of the stream to the byte', () => {
    const frames = socketFrames([page]);
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
    expect(socketFrames([page])).toBe(socketFrames([page]));
    expect(socketFrames([page, page])).toEqual([...socketFrames([page]), ...socketFrames([page])]);
    expect(socketFrames([])).toEqual([]);
  });
});

it('the reset of one viewer has no id', () => {
  expect(socketFrames({ reset: { after: null, reason: 'cursor_not_found' } })).toEqual([
    '{"event":"reset","data":{"after":null,"reason":"cursor_not_found"}}',
  ]);
});
