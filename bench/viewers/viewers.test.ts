import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { framesOf } from '../candidates/socket-floor/frames.ts';
import { exponentOf } from './exponent.ts';
import { pongFrame, SocketFrames, textFrame } from './socket-frames.ts';

const MESSAGES = ['', 'a', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(65_536)];

function heard(parts: string[]): { texts: string[]; pings: string[] } {
  const [texts, pings]: [string[], string[]] = [[], []];
  const frames = new SocketFrames(
    (text) => texts.push(text),
    (payload) => pings.push(payload),
  );
  for (const part of parts) frames.take(part);
  return { texts, pings };
}

await test('frames of every length are read, however they are cut into parts', () => {
  const bytes = `${framesOf(MESSAGES).toString('latin1')}\u0089\u0002hi`;
  for (const size of [1, 3, 100, 1_000_000]) {
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.slice(index * size, (index + 1) * size),
    );
    deepEqual(heard(parts), { texts: MESSAGES, pings: ['hi'] });
  }
});

await test('a client masks its frames', () => {
  deepEqual([...textFrame('go')], [0x81, 0x82, 0, 0, 0, 0, 103, 111]);
  deepEqual([...pongFrame('')], [0x8a, 0x80, 0, 0, 0, 0]);
  deepEqual([...textFrame('x'.repeat(200)).subarray(0, 4)], [0x81, 0x80 | 126, 0, 200]);
});

const law = (exponent: number) => [1, 4, 16, 64].map((size) => ({ size, total: 3 * size ** exponent }));

await test('the exponent is that of the power law that the points are on', () => {
  equal(exponentOf(law(1)).toFixed(6), '1.000000');
  equal(exponentOf(law(1.5)).toFixed(6), '1.500000');
  equal(exponentOf(law(0)).toFixed(6), '0.000000');
});
