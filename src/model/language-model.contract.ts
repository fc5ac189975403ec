import { afterEach, describe, expect, it } from '@jest/globals';
import { ModelError, type LanguageModel, type ModelEvent, type ModelRequest } from './language-model.js';

/** What the upstream does with every call of it; each adapter's spec plays it on its own wire. */
export type Scene =
  /** "Hello", then " world", then the end: 10 tokens in, 2 out, by `scripted-model`. */
  | 'answer'
  /** A call of the tool `add`, id `call_1`, with `{"a": 1, "b": 2}` sent in pieces, then the end. */
  | 'tool'
  /** "Hello", then the connection ends as if all were well. */
  | 'cut'
  /** "Hello", then the provider reports that it is overloaded. */
  | 'breaks'
  /** The call is accepted, then nothing comes any more. */
  | 'silent'
  /** The call is refused: too many; asks to wait 2 seconds. */
  | 'busy'
  /** The call is refused as wrong: "max_tokens is too large". */
  | 'refused'
  /** "Hello", then " again" for ever. */
  | 'endless';

export interface ScriptedUpstream {
  /** The adapter, pointed at the upstream; in `silent` it gives up after 50 ms. */
  model: LanguageModel;
  /** Settles when the upstream has seen a connection of the adapter close. */
  closed: Promise<void>;
  /** How many calls have arrived. */
  calls(): number;
  stop(): Promise<void>;
}

const REQUEST: ModelRequest = {
  model: 'scripted-model',
  system: 'Be brief.',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello?' }] }],
  tools: [{ name: 'add', description: 'Adds.', input_schema: { type: 'object', properties: {} } }],
  maxTokens: 100,
};

/** The behaviour of every language model, as sentences. */
export function describeLanguageModel(name: string, play: (scene: Scene) => Promise<ScriptedUpstream>): void {
  describe(`${name} as a language model`, () => {
    let upstream: ScriptedUpstream;
    afterEach(() => upstream.stop());

    async function call(scene: Scene, seen: ModelEvent[] = []): Promise<unknown> {
      upstream = await play(scene);
      try {
        for await (const event of upstream.model.stream(REQUEST, new AbortController().signal))
          seen.push(event);
      } catch (error) {
        return error;
      }
      return undefined;
    }

    it('streams text as it comes, then its block, then the stop with the usage', async () => {
      const seen: ModelEvent[] = [];

      expect(await call('answer', seen)).toBeUndefined();

      const told = seen.filter(({ type }) => type !== 'usage');
      expect(told.map((event) => (event.type === 'start' ? event.model : event))).toEqual([
        'scripted-model',
        { type: 'text', block: 0, text: 'Hello' },
        { type: 'text', block: 0, text: ' world' },
        { type: 'block', block: 0, content: { type: 'text', text: '' } },
        {
          type: 'stop',
          stopReason: 'end_turn',
          usage: {
            input_tokens: 10,
            output_tokens: 2,
            cache_read_input_tokens: 0,
            cache_creation_input_tokens: 0,
          },
          unfinished: false,
        },
      ]);
    });

    it('hands a tool call out once, with complete arguments', async () => {
      const seen: ModelEvent[] = [];

      expect(await call('tool', seen)).toBeUndefined();

      expect(seen.filter((event) => event.type === 'block')).toEqual([
        {
          type: 'block',
          block: 0,
          content: { type: 'tool_use', id: 'call_1', name: 'add', input: { a: 1, b: 2 } },
        },
      ]);
      expect(seen.at(-1)).toMatchObject({ type: 'stop', stopReason: 'tool_use', unfinished: false });
    });

    it.each<[Scene, string]>([
      ['cut', 'model_stream_truncated'],
      ['breaks', 'overloaded_error'],
    ])(
      'shows what came before the stream failed (%s), and throws instead of stopping',
      async (scene, code) => {
        const seen: ModelEvent[] = [];

        const error = await call(scene, seen);

        expect(seen.slice(1)).toEqual([{ type: 'text', block: 0, text: 'Hello' }]);
        expect(error).toBeInstanceOf(ModelError);
        expect(error).toMatchObject({ code, retryable: true });
      },
    );

    it('gives up a silent connection and closes it', async () => {
      expect(await call('silent')).toMatchObject({ name: 'ModelError', code: 'model_idle', retryable: true });

      await upstream.closed;
    });

    it('makes one attempt, and says when the next may be made', async () => {
      expect(await call('busy')).toMatchObject({ name: 'ModelError', retryable: true, retryAfterMs: 2000 });

      expect(upstream.calls()).toBe(1);
    });

    it("says that a call is wrong in itself, in the provider's words", async () => {
      const error = await call('refused');

      expect(error).toMatchObject({ name: 'ModelError', retryable: false });
      expect((error as ModelError).message).toContain('max_tokens is too large');
    });

    it("closes the connection when aborted in mid-answer and throws the signal's reason", async () => {
      upstream = await play('endless');
      const abort = new AbortController();
      const reason = new Error('cancelled by the user');
      const seen: string[] = [];

      const reading = (async () => {
        for await (const event of upstream.model.stream(REQUEST, abort.signal)) {
          seen.push(event.type);
          if (event.type === 'text') abort.abort(reason);
        }
      })();

      await expect(reading).rejects.toBe(reason);
      expect(seen).toEqual(['start', 'text']);
      await upstream.closed;
    });

    it('stops waiting at once when it is aborted', async () => {
      upstream = await play('silent');
      const abort = new AbortController();
      const reason = new Error('cancelled by the user');

      const reading = upstream.model.stream(REQUEST, abort.signal)[Symbol.asyncIterator]().next();
      abort.abort(reason);

      await expect(reading).rejects.toBe(reason);
    });

    it('closes the connection when the reader leaves early', async () => {
      upstream = await play('endless');

      for await (const event of upstream.model.stream(REQUEST, new AbortController().signal)) {
        if (event.type === 'text') break;
      }

      await upstream.closed;
    });

    it('delivers what it streams, up to the stop, and waits for who is behind', async () => {
      const streamed: ModelEvent[] = [];
      await call('tool', streamed);
      const delivered: ModelEvent[] = [];
      let isBehind = false;

      await upstream.model.deliver(REQUEST, new AbortController().signal, (events) => {
        expect(isBehind).toBe(false);
        delivered.push(...events);
        isBehind = true;
        return new Promise((caughtUp) => {
          setImmediate(() => {
            isBehind = false;
            caughtUp();
          });
        });
      });

      expect(delivered.map(({ type }) => type)).toEqual(streamed.map(({ type }) => type));
      expect(delivered.at(-1)).toEqual(streamed.at(-1));
    });

    it('closes the connection when who takes what it delivers throws, and throws the same', async () => {
      upstream = await play('endless');
      const reason = new Error('no more');

      const delivering = upstream.model.deliver(REQUEST, new AbortController().signal, (events) => {
        if (events.some(({ type }) => type === 'text')) throw reason;
        return undefined;
      });

      await expect(delivering).rejects.toBe(reason);
      await upstream.closed;
    });

    it('delivers what came before a failure, then fails', async () => {
      upstream = await play('breaks');
      const texts: string[] = [];

      const delivering = upstream.model.deliver(REQUEST, new AbortController().signal, (events) => {
        for (const event of events) if (event.type === 'text') texts.push(event.text);
        return undefined;
      });

      await expect(delivering).rejects.toMatchObject({ name: 'ModelError', retryable: true });
      expect(texts).toEqual(['Hello']);
    });

    it('answers a request with every wish, also where it cannot grant it', async () => {
      upstream = await play('answer');
      const wishes: ModelRequest = { ...REQUEST, effort: 'low', thinking: 'off', toolChoice: 'none' };
      let stopReason = '';

      for await (const event of upstream.model.stream(wishes, new AbortController().signal)) {
        if (event.type === 'stop') ({ stopReason } = event);
      }

      expect(stopReason).toBe('end_turn');
    });

    it('answers several calls at once, each by itself', async () => {
      upstream = await play('answer');
      const read = async () => {
        let text = '';
        for await (const event of upstream.model.stream(REQUEST, new AbortController().signal)) {
          if (event.type === 'text') text += event.text;
        }
        return text;
      };

      expect(await Promise.all([read(), read(), read()])).toEqual(Array(3).fill('Hello world'));
    });

    it('changes nothing of the request, so that it can be made again', async () => {
      const before = structuredClone(REQUEST);

      await call('tool');

      expect(REQUEST).toEqual(before);
    });

    it('guesses no limits of a model that it does not know', async () => {
      upstream = await play('answer');

      expect(upstream.model.limits('nobody-knows-it')).toEqual({
        contextTokens: null,
        maxOutputTokens: null,
      });
    });

    it('says nothing about its model where the provider tells nothing, and does not wait when aborted', async () => {
      upstream = await play('refused');

      expect(await upstream.model.check(AbortSignal.abort())).toEqual([]);
    });

    it('makes no call when it is aborted already', async () => {
      upstream = await play('answer');
      const reason = new Error('too late');

      const first = upstream.model.stream(REQUEST, AbortSignal.abort(reason))[Symbol.asyncIterator]().next();

      await expect(first).rejects.toBe(reason);
      expect(upstream.calls()).toBe(0);
    });
  });
}
