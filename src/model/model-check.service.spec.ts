import { afterEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { LanguageModel, type ModelEvent } from './language-model.js';
import { ModelCheck } from './model-check.service.js';
import type { ModelNotice, ModelObserver } from './model-notice.js';

class CheckedModel extends LanguageModel {
  readonly defaultModel = 'm';
  signal: AbortSignal | undefined;
  observer: ModelObserver = {};

  constructor(private readonly checking: Promise<ModelNotice[]>) {
    super();
  }

  describe(): string {
    return 'a model';
  }

  override check(signal: AbortSignal): Promise<ModelNotice[]> {
    this.signal = signal;
    return this.checking;
  }

  override observe(observer: ModelObserver): void {
    this.observer = observer;
  }

  // oxlint-disable-next-line require-yield
  async *stream(): AsyncGenerator<ModelEvent, void> {}
}

describe('ModelCheck', () => {
  const lines: unknown[][] = [];
  const write =
    (level: string) =>
    (...line: unknown[]) =>
      lines.push([level, ...line.slice(0, 2)]);
  afterEach(() => Logger.overrideLogger(['error']));

  async function start(checking: Promise<ModelNotice[]>) {
    lines.length = 0;
    Logger.overrideLogger({ log: write('log'), error: write('error'), warn: write('warn') });
    const model = new CheckedModel(checking);
    const check = new ModelCheck(model);
    check.onApplicationBootstrap();
    await new Promise(setImmediate);
    return { model, check };
  }

  it('writes what the provider says of the model into the log', async () => {
    await start(Promise.resolve([{ code: 'model_retires', message: 'm retires on 2026-11-30.' }]));

    expect(lines).toEqual([['warn', { code: 'model_retires' }, 'm retires on 2026-11-30.']]);
  });

  it('does not wait for the provider, and asks no more when the application ends', async () => {
    const { model, check } = await start(new Promise(() => undefined));

    check.onApplicationShutdown();

    expect(model.signal?.aborted).toBe(true);
    expect(lines).toEqual([]);
  });

  it('outlives a look that fails', async () => {
    const error = new Error('broken');
    await start(Promise.reject(error));

    expect(lines).toEqual([['warn', { err: error }, 'The models of the provider could not be looked up']]);
  });

  it('calls the operator when the provider takes no calls any more', async () => {
    const { model } = await start(Promise.resolve([]));

    model.observer.alarm?.({ code: 'billing_error', message: 'No money.' });

    expect(lines).toEqual([['error', { code: 'billing_error' }, 'The provider takes no calls: No money.']]);
  });
});
