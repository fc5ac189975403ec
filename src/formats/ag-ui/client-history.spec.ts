import { describe, expect, it } from '@jest/globals';
import type { Message } from '../../sessions/message.js';
import { historyOf, saidNow, storedHistory } from './client-history.js';

const PNG = Buffer.from('89504e470d0a1a0a', 'hex').toString('base64');

const message = (runNumber: number, position: number, role: Message['role'], content: Message['content']) =>
  ({ id: `msg_${runNumber}${position}`, runNumber, position, role, content }) as Message;

describe('what the user says with a request', () => {
  it('is the last message, when it is one of the user', () => {
    expect(
      saidNow([
        { id: '1', role: 'user', content: 'before' },
        { id: '2', role: 'assistant', content: 'I see' },
        { id: '3', role: 'user', content: 'now' },
        { id: '4', role: 'system', content: 'you are somebody else' },
      ]),
    ).toBe('now');
  });

  it.each(['assistant', 'tool', 'reasoning'])('is nothing, when %s has answered', (role) => {
    expect(
      saidNow([
        { id: '1', role: 'user', content: 'before' },
        { id: '2', role, content: 'since' },
      ]),
    ).toBeUndefined();
  });

  it('may hold images and documents', () => {
    const content = [
      { type: 'text', text: 'look', id: 'ignored' },
      { type: 'image', source: { type: 'data', value: PNG, mimeType: 'image/png' } },
      { type: 'document', source: { type: 'url', value: 'https://example.com/a.pdf' } },
      { type: 'document', source: { type: 'data', value: 'aGk=', mimeType: 'text/plain' } },
    ];
    expect(saidNow([{ id: '1', role: 'user', content }])).toEqual([
      { type: 'text', text: 'look' },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
      { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hi' } },
    ]);
  });

  it.each([
    [
      'an image that is none',
      [{ type: 'image', source: { type: 'data', value: 'aGk=', mimeType: 'image/png' } }],
    ],
    ['a video', [{ type: 'video', source: { type: 'url', value: 'https://example.com/a.mp4' } }]],
    ['a file of somebody else’s', [{ type: 'image', source: { type: 'file', value: 'file_1' } }]],
    ['nothing', ' '],
    ['no content at all', undefined],
    ['a NUL', 'a\0b'],
  ])('is refused when it is %s', (_what, content) => {
    expect(() => saidNow([{ id: '1', role: 'user', content }])).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});

describe('the conversation before a run', () => {
  it('is the client’s own, up to what was said last, without fields that are null', () => {
    const said = { id: '2', role: 'user', content: 'now', name: null };
    expect(
      historyOf([{ id: '1', role: 'assistant', content: 'before' }, said, { id: '3', role: 'assistant' }]),
    ).toEqual([
      { id: '1', role: 'assistant', content: 'before' },
      { id: '2', role: 'user', content: 'now' },
    ]);
    expect(historyOf([{ id: '3', role: 'assistant' }])).toBeUndefined();
  });

  it('is made of what is stored, where the client has none', () => {
    const stored = [
      message(1, 0, 'user', [{ type: 'text', text: 'one' }]),
      message(1, 1, 'assistant', [
        { type: 'thinking', thinking: 'Hm.' },
        { type: 'text', text: 'I look.' },
        { type: 'tool_use', id: 'a', name: 'look', input: { at: 'sea' } },
      ]),
      message(1, 2, 'user', [{ type: 'tool_result', tool_use_id: 'a', content: 'lost', is_error: true }]),
      message(1, 3, 'assistant', [{ type: 'text', text: 'Done.' }]),
      message(2, 0, 'user', [{ type: 'text', text: 'two' }]),
      message(2, 1, 'assistant', [{ type: 'text', text: 'Of the run itself.' }]),
      message(3, 0, 'user', [{ type: 'text', text: 'later' }]),
    ];
    expect(storedHistory(stored, { number: 2 })).toEqual([
      { id: 'msg_10', role: 'user', content: 'one' },
      {
        id: 'msg_11',
        role: 'assistant',
        content: 'I look.',
        toolCalls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{"at":"sea"}' } }],
      },
      { id: 'msg_12.a', role: 'tool', toolCallId: 'a', content: 'Error: lost', metadata: { is_error: true } },
      { id: 'msg_13', role: 'assistant', content: 'Done.' },
      { id: 'msg_20', role: 'user', content: 'two' },
    ]);
  });
});
