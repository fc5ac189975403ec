import { jest } from '@jest/globals';
import type { HttpAgent } from '@ag-ui/client';
import { CutProxy } from '../support/cut-proxy.js';
import { Random } from '../support/random.js';
import { type Ask, ask, lastOf, run } from './ag-ui-page.js';

const MOST_CUTS = 4;

/** A way to a server that is cut after a few events, some times in a row. */
export class Cuts {
  count = 0;
  private left: number;

  static async open(target: string, seed: number): Promise<Cuts> {
    forgiveCancel();
    const proxy = await CutProxy.open(target);
    return new Cuts(proxy, proxy.url(target), new Random(seed));
  }

  private constructor(
    private readonly proxy: CutProxy,
    readonly url: string,
    private readonly random: Random,
  ) {
    this.left = random.between(1, 30);
  }

  /** To be called with each event that has come through. */
  readonly pass = (): void => {
    this.left -= 1;
    if (this.left > 0 || this.count >= MOST_CUTS) return;
    this.count += 1;
    this.left = this.random.between(1, 30);
    this.proxy.cut();
  };

  heal(): void {
    this.proxy.heal();
  }

  close(): Promise<void> {
    return this.proxy.close();
  }
}

/**
 * After a cut `@ag-ui/client` 1.0.0 cancels the reader of a body that has failed, and nobody hears that this fails
 * too. A browser logs it; Node ends the process, and a Jest test, with it.
 */
function forgiveCancel(): void {
  const cancel = Reflect.get(ReadableStreamDefaultReader.prototype, 'cancel') as (
    this: ReadableStreamDefaultReader,
    reason: unknown,
  ) => Promise<void>;
  jest.spyOn(ReadableStreamDefaultReader.prototype, 'cancel').mockImplementation(async function (
    this: ReadableStreamDefaultReader,
    reason: unknown,
  ) {
    await cancel.call(this, reason).catch(() => undefined);
  });
}

/**
 * Says the same request again until its stream has an end.
 * @returns how often it was said.
 */
export async function untilFinished(
  agent: HttpAgent,
  way: Cuts,
  parameters: Ask,
  text?: string,
): Promise<number> {
  const asked = { ...parameters, onEvent: way.pass };
  let told = text === undefined ? await run(agent, asked) : await ask(agent, text, asked);
  let tries = 1;
  for (; told.failure !== undefined || lastOf(told)['type'] !== 'RUN_FINISHED'; tries += 1) {
    way.heal();
    told = await run(agent, asked);
  }
  way.heal();
  return tries;
}
