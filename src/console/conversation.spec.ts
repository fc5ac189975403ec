import { describe, expect, it } from '@jest/globals';

interface Message {
  id: string;
  run_id: string | null;
  role: string;
  content: { type: string; text?: string }[];
}

/** Scripts of the page, loaded as a browser would: they are not part of what is compiled. */
const [historyPath, totalsPath] = ['./public/conversation/history.js', './public/conversation/totals.js'];
const { copiedTurns, placeBefore, userText } = (await import(historyPath)) as {
  copiedTurns: (messages: Message[]) => Message[][];
  placeBefore: (messages: Message[], id: string | undefined) => string | null;
  userText: (messages: Message[]) => string;
};
const { totals } = (await import(totalsPath)) as { totals: (runs: object[]) => string };

const message = (id: string, role: string, ...types: string[]): Message => ({
  id,
  run_id: null,
  role,
  content: types.map((type) => ({ type, text: `${type} of ${id}` })),
});

const CONVERSATION = [
  message('a', 'user', 'text'),
  message('b', 'assistant', 'text', 'tool_use'),
  message('c', 'user', 'tool_result'),
  message('d', 'assistant', 'text'),
  message('e', 'user', 'text', 'image'),
  message('f', 'assistant', 'text'),
];

describe('the messages of a conversation', () => {
  it('that was copied are turns, each beginning with what the user said', () => {
    const turns = copiedTurns(CONVERSATION).map((turn) => turn.map(({ id }) => id));
    expect(turns).toEqual([
      ['a', 'b', 'c', 'd'],
      ['e', 'f'],
    ]);
  });

  it('are copied up to the one before a message, to begin again with it', () => {
    expect(placeBefore(CONVERSATION, 'e')).toBe('d');
    expect(placeBefore(CONVERSATION, 'a')).toBe(null);
    expect(() => placeBefore(CONVERSATION, undefined)).toThrow('not there');
  });

  it('name what the user said that is no text', () => {
    expect(userText(CONVERSATION.slice(4))).toBe('text of e\n\n[image]');
  });
});

describe('what a conversation took in all', () => {
  const usage = {
    input_tokens: 1_000,
    output_tokens: 20,
    cache_read_input_tokens: 300,
    cache_creation_input_tokens: 4,
    estimated: false,
  };

  it('is the sum of its runs', () => {
    const runs = [
      { usage, cost_usd: 0.01 },
      { usage, cost_usd: 0.025 },
    ];
    expect(totals(runs)).toBe('2 runs · 2,608 tokens in · 40 out · $0.035');
  });

  it('says what is a guess, and what has no known price', () => {
    const runs = [
      { usage, cost_usd: 0.5 },
      { usage: { ...usage, estimated: true }, cost_usd: null },
      { status: 'copied' },
    ];
    expect(totals(runs)).toBe('2 runs · about 2,608 tokens in · 40 out · $0.50 · and 1 of unknown price');
  });

  it('is nothing for one run, which tells it by itself', () => {
    expect(totals([{ usage, cost_usd: 0.5 }])).toBe('');
  });
});
