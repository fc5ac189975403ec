import { describe, expect, it } from '@jest/globals';
import type { ModelMessage } from '../language-model.js';
import { CallIds } from './answer-mender.js';

const call = (id?: unknown) => ({ type: 'tool_use', id, name: 'add', input: {} });
const said = (...ids: string[]): ModelMessage => ({ role: 'assistant', content: ids.map(call) });
const idsOf = (history: ModelMessage[], ...ids: unknown[]) => {
  const unique = new CallIds(history);
  return ids.map((id) => unique.unique(call(id)).id);
};

describe('CallIds', () => {
  it('leaves ids alone that nobody has had', () => {
    expect(idsOf([said('call_0')], 'call_1', 'call_2')).toEqual(['call_1', 'call_2']);
  });

  it('tells calls apart that have the id of an earlier one, in the history or in the same answer', () => {
    expect(idsOf([said('call_0'), said('call_0_2')], 'call_0', 'call_0')).toEqual(['call_0_3', 'call_0_4']);
  });

  it('gives the same answer to the same history the same ids', () => {
    const history = [said('a', 'b')];
    expect(idsOf(history, 'a', 'b', 'a')).toEqual(idsOf(history, 'a', 'b', 'a'));
  });

  it('gives a call without an id one', () => {
    expect(idsOf([], undefined, '', 7)).toEqual(['call', 'call_2', 'call_3']);
  });

  it('tells calls apart from those of a history that is told as a summary', () => {
    const unique = new CallIds([said('call_0_cmp1')], 'cmp1');
    expect([unique.unique(call('call_0')).id, unique.unique(call('call_1')).id]).toEqual([
      'call_0_cmp1_2',
      'call_1_cmp1',
    ]);
  });

  it('makes ids sendable, each its own', () => {
    expect(idsOf([said('a_b')], 'a b', 'ü/é', 'ok-1')).toEqual(['a_b_2', '_', 'ok-1']);
  });

  it('makes no id longer than what servers behind a gateway take', () => {
    const told = 'x'.repeat(70);
    const summarised = new CallIds([], 'cmp1');

    expect(idsOf([said(told)], told)).toEqual([`${'x'.repeat(62)}_2`]);
    expect(summarised.unique(call(told)).id).toBe(`${'x'.repeat(59)}_cmp1`);
    expect(summarised.unique(call(`${told}y`)).id).toBe(`${'x'.repeat(57)}_cmp1_2`);
  });

  it('leaves an id alone that is long, but the only one', () => {
    expect(idsOf([], 'x'.repeat(70))).toEqual(['x'.repeat(70)]);
  });

  it('looks at calls only', () => {
    const unique = new CallIds([said('a')]);
    const block = { type: 'server_tool_use', id: 'a' };
    expect(unique.unique(block)).toBe(block);
  });
});
