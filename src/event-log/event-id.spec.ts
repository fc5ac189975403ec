import { describe, expect, it } from '@jest/globals';
import { assert, integer, property, string } from 'fast-check';
import { newId } from '../database/ids.js';
import { formatEventId, parseEventId } from './event-id.js';

const runId = 'run_01h455vb4pex5vsknk084sn02q';
const count = integer({ min: 1, max: 2_147_483_647 });

describe('the id of an event', () => {
  it('is run, attempt and seq with dots between', () => {
    expect(formatEventId({ runId, attempt: 2, seq: 41 })).toBe(`${runId}.2.41`);
  });

  it('is read back as it was written', () => {
    assert(
      property(count, count, (attempt, seq) => {
        const place = { runId: newId('run'), attempt, seq };
        expect(parseEventId(formatEventId(place))).toEqual(place);
      }),
    );
  });

  it.each([
    '',
    '.',
    '..',
    'nonsense',
    runId,
    `${runId}.1`,
    `${runId}.1.`,
    `${runId}..1`,
    `.1.1`,
    `${runId}.1.1.`,
    `${runId}.1.1.1`,
    `${runId}.0.1`,
    `${runId}.1.0`,
    `${runId}.1.-1`,
    `${runId}.1.+1`,
    `${runId}.1.01`,
    `${runId}.1.1e9`,
    `${runId}.1.0x10`,
    `${runId}.1.1_000`,
    `${runId}.1.1n`,
    `${runId}.1.NaN`,
    `${runId}.1.Infinity`,
    `${runId}.1.2147483648`,
    `${runId}.2147483648.1`,
    `${runId}.1.9007199254740993`,
    `${runId}.1.${'9'.repeat(10_000)}`,
    `${runId}.1. 1`,
    `${runId}.1.1 `,
    ` ${runId}.1.1`,
    `${runId}.1.1\n`,
    `${runId}.1.1\u0000`,
    `${runId}.1.１`,
    `${runId}.1.é`,
    `${runId.toUpperCase()}.1.1`,
    'ses_01h455vb4pex5vsknk084sn02q.1.1',
    `${runId}.1.1, ${runId}.1.2`,
    '.'.repeat(10_000),
    '__proto__.1.1',
  ])('has one form, and %j is none', (text) => {
    expect(parseEventId(text)).toBeUndefined();
  });

  it('is never guessed from any other text', () => {
    assert(
      property(string({ unit: 'binary' }), (text) => {
        const place = parseEventId(text);
        expect(place === undefined || formatEventId(place) === text).toBe(true);
      }),
    );
  });
});
