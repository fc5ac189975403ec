import { afterEach, describe, expect, it } from '@jest/globals';
import { WebBody } from './node-transport.js';
import { WatchedAttempt } from './watched-attempt.js';

const never = <T>() => new Promise<T>(() => undefined);
/** A body whose source neither sends nor reacts to being cancelled. */
const deadBody = () =>
  new WebBody(new ReadableStream({ pull: () => never<void>(), cancel: () => never<void>() }));
const bodyOf = (...texts: string[]) =>
  new WebBody(ReadableStream.from(texts.map((text) => new TextEncoder().encode(text))));

describe('WatchedAttempt', () => {
  const caller = new AbortController();
  let attempt: WatchedAttempt;
  afterEach(() => attempt.close(false));

  it('stops waiting for headers when the caller aborts, even if the opener never settles', async () => {
    const caller = new AbortController();
    attempt = new WatchedAttempt(caller.signal, 60_000);

    const opening = attempt.open(never());
    caller.abort(new Error('enough'));

    await expect(opening).rejects.toThrow();
    expect(attempt.reason(new Error('other'))).toBe(caller.signal.reason);
    expect(attempt.signal.aborted).toBe(true);
  });

  it('is cut from the start when the caller has aborted before', () => {
    attempt = new WatchedAttempt(AbortSignal.abort(new Error('enough')), 60_000);

    expect(attempt.signal.aborted).toBe(true);
  });

  it('stops waiting for bytes when the caller aborts, even if the body never settles', async () => {
    const caller = new AbortController();
    attempt = new WatchedAttempt(caller.signal, 60_000);
    await attempt.open(Promise.resolve(deadBody()));

    const reading = attempt.read();
    caller.abort();

    expect(await reading).toBeUndefined();
    expect(await attempt.read()).toBeUndefined();
  });

  it('ends a silent wait, and says that it was silence', async () => {
    attempt = new WatchedAttempt(caller.signal, 10);
    await attempt.open(Promise.resolve(deadBody()));

    expect(await attempt.read()).toBeUndefined();

    expect(attempt.reason(new Error('other'))).toMatchObject({
      code: 'model_idle',
      message: 'The model was silent for 10 ms.',
    });
  });

  it('does not count the time in which the reader is busy', async () => {
    attempt = new WatchedAttempt(caller.signal, 10);
    await attempt.open(Promise.resolve(bodyOf('a', 'b')));
    await attempt.read();

    await new Promise((later) => setTimeout(later, 30));

    expect(await attempt.read()).toEqual(new TextEncoder().encode('b'));
  });

  it('ends a silent wait that begins after others were answered', async () => {
    attempt = new WatchedAttempt(caller.signal, 20);
    const source = new TransformStream<Uint8Array, Uint8Array>();
    const writer = source.writable.getWriter();
    await attempt.open(Promise.resolve(new WebBody(source.readable)));
    for (const byte of [1, 2, 3]) {
      void writer.write(new Uint8Array([byte]));
      expect(await attempt.read()).toEqual(new Uint8Array([byte]));
      await new Promise((later) => setTimeout(later, 15));
    }

    expect(await attempt.read()).toBeUndefined();
    expect(attempt.reason(new Error('other'))).toMatchObject({ code: 'model_idle' });
  });

  it('keeps the cause when neither the caller nor silence ended it', () => {
    attempt = new WatchedAttempt(caller.signal, 60_000);
    const cause = new Error('broken');

    expect(attempt.reason(cause)).toBe(cause);
  });
});
