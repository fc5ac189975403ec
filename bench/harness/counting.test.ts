import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Descriptor } from './candidate.ts';
import { EventReader } from './event-reader.ts';
import { MarkCounter } from './mark-counter.ts';
import { ResponseBody } from './response-body.ts';

const latin1 = (text: string) => Buffer.from(text).toString('latin1');

function problemsOf(parts: string[]): string[] {
  const counter = new MarkCounter(7, () => {});
  for (const part of parts) counter.take(part);
  return counter.problems;
}

await test('marks are counted wherever the stream is cut into parts', () => {
  const text = latin1('data: ¦7.0¦ and ¦7.1.k3x¦¦7.2¦ é ¦7.3¦');
  for (let at = 0; at <= text.length; at += 1) {
    const counter = new MarkCounter(7, () => {});
    counter.take(text.slice(0, at));
    counter.take(text.slice(at));
    equal(counter.next, 4);
    deepEqual(counter.problems, []);
  }
});

await test('a lost, a doubled, a reordered and a foreign token are told', () => {
  deepEqual(problemsOf([latin1('¦7.0¦¦7.2¦')]), ['run 7: tokens 1 to 1 are missing']);
  deepEqual(problemsOf([latin1('¦7.0¦¦7.0¦')]), ['run 7: token 0 came again, or late']);
  deepEqual(problemsOf([latin1('¦7.1¦¦7.0¦')]), [
    'run 7: tokens 0 to 0 are missing',
    'run 7: token 0 came again, or late',
  ]);
  deepEqual(problemsOf([latin1('¦8.0¦')]), ['run 7: mark of run 8 in run 7']);
});

await test('chunked framing is taken away wherever the bytes are cut', () => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  const text = `${head}5\r\nhello\r\n10\r\n, world of chunk\r\n0\r\n\r\n`;
  for (let at = 0; at <= text.length; at += 1) {
    const body = new ResponseBody();
    equal(body.take(text.slice(0, at)) + body.take(text.slice(at)), 'hello, world of chunk');
    equal(body.isWhole, true);
  }
});

await test('a body that was broken off is not whole', () => {
  const chunked = new ResponseBody();
  chunked.take('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n');
  equal(chunked.isWhole, false);
  const counted = new ResponseBody();
  counted.take('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello');
  equal(counted.isWhole, false);
});

await test('an event that has not come whole is not counted, and a gap between ids is told', () => {
  const descriptor = { sequence: Number, lastEvent: 'event: done\n' } as unknown as Descriptor;
  const reader = new EventReader(descriptor);
  equal(reader.take('id: 1\ndata: a\n\nid: 2\nda'), 'id: 1\ndata: a\n\n');
  equal(reader.lastEventId, '1');
  reader.cut();
  equal(reader.take('id: 2\ndata: b\n\n'), 'id: 2\ndata: b\n\n');
  deepEqual(reader.problems, []);
  reader.take('event: done\nid: 4\ndata: c\n\n');
  deepEqual(reader.problems, ['event 4 came after 2']);
  equal(reader.hasLastEvent, true);
});
