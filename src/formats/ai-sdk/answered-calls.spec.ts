import { expect, it } from '@jest/globals';
import { answeredCalls } from './answered-calls.js';

const part = (toolCallId: string, state: string, approval?: object) => ({
  type: 'tool-pay',
  toolCallId,
  state,
  input: { eur: 1_000_000 },
  approval,
});

it('of a message of the assistant’s nothing is read but answers, and which calls have no outcome', () => {
  const parts = [
    { type: 'text', text: 'I will pay.' },
    part('t1', 'output-available', { id: 't1', approved: true }),
    part('t2', 'approval-responded', { id: 't2', approved: true, reason: ' ' }),
    { ...part('t3', 'approval-responded', { id: 'x', approved: false, reason: 'no' }), type: 'dynamic-tool' },
    part('t4', 'approval-requested', { id: 't4', approved: true }),
    part('t5', 'approval-responded', { id: 't5', approved: 'yes' }),
    null,
  ];
  expect(answeredCalls(parts, [])).toEqual({
    decisions: [
      { toolCallId: 't2', decision: 'approve', reason: null },
      { toolCallId: 't3', decision: 'deny', reason: 'no' },
    ],
    open: new Set(['t2', 't3', 't4', 't5']),
  });
});

it('answers beside the messages count as well', () => {
  const { decisions } = answeredCalls([part('t1', 'input-available')], [{ id: 't1', approved: false }]);
  expect(decisions).toEqual([{ toolCallId: 't1', decision: 'deny', reason: null }]);
});
