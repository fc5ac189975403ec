import { describe, expect, it } from '@jest/globals';
import { MessageDraft } from './message-draft.js';

const TEXT = { type: 'text', text: '' };
const long = (letter: string) => letter.repeat(262_145);

function newDraft() {
  const saved: [place: number, position: number, text: string][] = [];
  const draft = new MessageDraft(async (id, place, position, text) => {
    expect(id).toBe(draft.id);
    saved.push([place, position, text]);
  });
  return { draft, saved };
}

describe('a draft', () => {
  it('joins the text of each block and keeps all other blocks as they came, in order', () => {
    const { draft } = newDraft();
    const call = { type: 'tool_use', id: 'a', name: 'look', input: { q: 1 } };
    draft.addText(1, 'Hel');
    draft.addText(1, 'lo');
    draft.addBlock(1, { ...TEXT, citations: [1] });
    draft.addBlock(2, call);
    draft.addBlock(0, { type: 'thinking', thinking: '', signature: 's' });

    expect(draft.content()).toEqual([
      { type: 'thinking', thinking: '', signature: 's' },
      { type: 'text', text: 'Hello', citations: [1] },
      call,
    ]);
    expect(draft.received).toBe(5);
    expect(draft.hasParts).toBe(false);
  });

  it('that was stopped keeps its text only', () => {
    const { draft } = newDraft();
    draft.addBlock(0, { type: 'thinking', thinking: 'hm' });
    draft.addText(1, 'Hello');
    draft.addBlock(1, TEXT);
    draft.addText(2, ' \n');
    draft.addBlock(2, TEXT);
    draft.addBlock(3, { type: 'tool_use', id: 'a', name: 'look', input: {} });
    draft.addText(4, 'wor');

    expect(draft.partialContent()).toEqual([
      { type: 'text', text: 'Hello' },
      { type: 'text', text: 'wor' },
    ]);
  });

  it('that was stopped within a character keeps what is whole', () => {
    const { draft } = newDraft();
    draft.addText(0, '😀\ud83d');

    expect(draft.partialContent()).toEqual([{ type: 'text', text: '😀' }]);
  });

  it('that said nothing, or only blanks, leaves nothing', () => {
    const { draft } = newDraft();
    expect(draft.partialContent()).toEqual([]);
    draft.addText(0, '\n');
    draft.addText(0, ' ');
    expect(draft.partialContent()).toEqual([]);
  });

  it('is long above 262,144 characters held, and short again once they are stored', async () => {
    const { draft, saved } = newDraft();
    draft.addText(0, 'x'.repeat(262_144));
    expect(draft.isLong).toBe(false);
    draft.addText(0, 'y');
    expect(draft.isLong).toBe(true);

    await draft.spill();

    expect(draft.isLong).toBe(false);
    expect(draft.hasParts).toBe(true);
    expect(saved.map(([place, position, text]) => [place, position, text.length])).toEqual([[0, 0, 262_145]]);
    expect(draft.received).toBe(262_145);
  });

  it('stores its texts by their place among the texts, so that it does not matter which blocks are kept', async () => {
    const { draft, saved } = newDraft();
    draft.addBlock(0, { type: 'thinking', thinking: 'hm' });
    draft.addText(1, 'a');
    draft.addBlock(1, TEXT);
    draft.addBlock(2, TEXT);
    draft.addBlock(3, { type: 'server_tool_use', id: 's' });
    draft.addText(4, long('b'));
    await draft.spill();
    draft.addText(4, 'c');
    draft.addBlock(4, TEXT);
    draft.addText(5, long('d'));
    await draft.spill();
    draft.addText(5, 'e');

    expect(saved.map(([place, position, text]) => [place, position, text[0], text.length])).toEqual([
      [0, 0, 'a', 1],
      [2, 1, 'b', 262_145],
      [2, 2, 'c', 1],
      [3, 3, 'd', 262_145],
    ]);
    expect(draft.partialContent().map(({ text }) => text)).toEqual(['', '', '', 'e']);
    draft.addBlock(5, TEXT);
    expect(draft.content().map(({ type, text }) => [type, text])).toEqual([
      ['thinking', undefined],
      ['text', ''],
      ['text', ''],
      ['server_tool_use', undefined],
      ['text', ''],
      ['text', 'e'],
    ]);
  });
});
