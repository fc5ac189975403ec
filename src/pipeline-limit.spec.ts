import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type RunningApp, startApp } from '../test/support/app.js';

let app: RunningApp;

beforeAll(async () => {
  app = await startApp();
});

afterAll(() => app?.stop());

const ASK = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
/** Waits for the database, so that all those behind it wait, too. */
const WAIT = 'GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n';
const LAST = 'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

/** How many answers come to what is sent in one packet, until the connection ends. */
async function answersTo(...parts: string[]): Promise<number> {
  const { port, hostname } = new URL(app.url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  // Cut while it still sends, the connection is reset.
  socket.on('error', () => undefined);
  socket.write(parts.join(''));
  await new Promise((resolve) => socket.once('close', resolve));
  return text.split('HTTP/1.1 200').length - 1;
}

describe('requests on one connection, all at once', () => {
  it('are answered one after the other, up to 64', async () => {
    expect(await answersTo(WAIT, ASK.repeat(62), LAST)).toBe(64);
  });

  it('end the connection when they are more, and nobody else has to wait for them', async () => {
    const cpu = process.cpuUsage();
    expect(await answersTo(WAIT, ASK.repeat(20_000))).toBeLessThan(64);
    // Handled, they took 2,000; the client's part is in it.
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(700);
    expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
  });

  it('may be any number, as long as answers are waited for', async () => {
    const { port, hostname } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    let answers = 0;
    for (let n = 0; n < 200; n += 1) {
      socket.write(ASK);
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      if (chunk.toString().startsWith('HTTP/1.1 200')) answers += 1;
    }
    socket.destroy();
    expect(answers).toBe(200);
  });
});
