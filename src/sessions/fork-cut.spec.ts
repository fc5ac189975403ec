import { describe, expect, it } from '@jest/globals';
import type { Block } from './message.js';
import { forkCut } from './fork-cut.js';

const says = (text: string): { content: Block[] } => ({ content: [{ type: 'text', text }] });
const calls = (...ids: string[]): { content: Block[] } => ({
  content: ids.map((id) => ({ type: 'tool_use', id })),
});
const answers = (...ids: string[]): { content: Block[] } => ({
  content: ids.map((id) => ({ type: 'tool_result', tool_use_id: id })),
});

describe('the cut of a fork', () => {
  const history = [says('do'), calls('a', 'b'), answers('a', 'b'), says('done'), says('more'), calls('c')];

  it.each([
    [0, 1],
    [1, 3],
    [2, 3],
    [3, 4],
    [4, 5],
    [5, 5],
  ])(
    'after message %i keeps %i: calls and their results stay together, open calls are left out',
    (at, kept) => {
      expect(forkCut(history, at)).toBe(kept);
    },
  );

  it('keeps nothing of nothing', () => {
    expect(forkCut([], -1)).toBe(0);
  });

  it('goes on to the result where the model calls a tool of its own and pauses', () => {
    const paused = [
      says('look'),
      { content: [{ type: 'server_tool_use', id: 's' }] },
      {
        content: [
          { type: 'web_search_tool_result', tool_use_id: 's' },
          { type: 'text', text: 'found' },
        ],
      },
    ];
    expect(forkCut(paused, 1)).toBe(3);
    expect(forkCut(paused.slice(0, 2), 1)).toBe(1);
  });

  it('does not go beyond the result', () => {
    expect(forkCut([says('a'), calls('x'), answers('x'), calls('y'), answers('y')], 1)).toBe(3);
  });
});
