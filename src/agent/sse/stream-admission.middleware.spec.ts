import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Request, Response } from 'express';
import { StreamAdmission } from './stream-admission.middleware.js';

/** A response that notes what was answered in the place of a stream. */
class FakeResponse extends EventEmitter {
  destroyed = false;
  answered: string | undefined;

  writeHead(status: number) {
    return { end: (text: string) => (this.answered = `${status} ${text}`) };
  }
}

let admission: StreamAdmission;
let entered: number;

beforeEach(() => {
  admission = new StreamAdmission();
  entered = 0;
});

function come(method = 'GET'): FakeResponse {
  const response = new FakeResponse();
  admission.use({ method } as Request, response as unknown as Response, () => {
    entered += 1;
  });
  return response;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('streams that are opened', () => {
  it('at once are let in 512 at a time, the next when one is open, refused or gone', async () => {
    const responses = Array.from({ length: 600 }, () => come());
    await turn();
    expect(entered).toBe(512);

    admission.opened(responses[0] as unknown as Response);
    responses[1]!.emit('finish');
    responses[2]!.emit('close');
    await turn();
    expect(entered).toBe(515);
  });

  it('beyond the 2,000 that wait are told when to come back', async () => {
    for (let n = 0; n < 2_512; n += 1) come();
    await turn();
    const late = come();

    expect(late.answered).toMatch(/^200 retry: \d{4}\n$/);
    expect(entered).toBe(512);
  });

  it('and left while they wait cost nothing', async () => {
    const first = Array.from({ length: 512 }, () => come());
    const left = come();
    left.destroyed = true;
    for (const response of first) response.emit('close');
    await turn();

    expect(entered).toBe(512);
  });

  it('by POST do not wait: they start something', () => {
    for (let n = 0; n < 600; n += 1) come('POST');
    expect(entered).toBe(600);
  });
});
