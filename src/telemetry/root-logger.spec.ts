import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { rootLogger } from './root-logger.js';

function logger(pretty: boolean) {
  const lines: string[] = [];
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { lines, logger: rootLogger({ level: 'info', pretty }, out) };
}

describe('the root logger', () => {
  it('writes one JSON line with level and time in words', () => {
    const { lines, logger: log } = logger(false);
    log.info({ run_id: 'run_1' }, 'claimed');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'info', run_id: 'run_1', msg: 'claimed' });
    expect(JSON.parse(lines[0]!).time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('leaves credentials and bodies out wherever they are met', () => {
    const { lines, logger: log } = logger(false);
    const error = Object.assign(new Error('refused'), {
      body: 'SECRET-1',
      headers: { 'set-cookie': 'SECRET-2', date: 'today' },
    });
    log.info({
      err: error,
      req: { headers: { authorization: 'SECRET-3', cookie: 'SECRET-4', host: 'a' } },
      res: { headers: { 'set-cookie': ['SECRET-5'] } },
      headers: { authorization: 'SECRET-6' },
      login: { email: 'a@b.c', password: 'SECRET-7' },
      ticket: 'SECRET-8',
    });
    expect(lines[0]).not.toContain('SECRET');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      err: { message: 'refused', body: '[redacted]', headers: { date: 'today' } },
      req: { headers: { authorization: '[redacted]', host: 'a' } },
      login: { email: 'a@b.c' },
    });
  });

  it('leaves out what Nest tells of its wiring, but not its warnings', () => {
    const { lines, logger: log } = logger(false);
    log.info({ context: 'RouterExplorer' }, 'Mapped {/, GET} route');
    log.warn({ context: 'RouterExplorer' }, 'Duplicate route');
    log.info({ context: 'Dispatcher' }, 'claimed');
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['Duplicate route', 'claimed']);
  });

  it('writes one line to a terminal, whatever the text holds', () => {
    const { lines, logger: log } = logger(true);
    log.info({ context: 'Runs', title: 'x\u001b[2Jy\nz' }, 'hello\u001b[31m\r\n12:00:00 FATAL: forged');
    const text = lines.join('');
    for (const control of ['\u001b', '\r', '\u009b']) expect(text).not.toContain(control);
    expect(text.trimEnd().split('\n')).toHaveLength(1);
    expect(text).toContain('INFO: Runs · hello\\u001b[31m\\r\\n12:00:00 FATAL: forged');
    expect(text).toContain('x\\u001b[2Jy\\nz');
  });
});
