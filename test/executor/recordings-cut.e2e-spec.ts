import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WireDecoder } from '../../src/model/anthropic/wire-decoder.js';
import { LanguageModel, type ModelEvent, type ModelRequest } from '../../src/model/language-model.js';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { LoopStage } from '../support/anthropic/loop-stage.js';
import { noRecordings, recordings, type Recording } from '../support/anthropic/recordings.js';

const AFTERWARDS = 'And that was all.';
/** Recordings of up to this many bytes are really ended at every byte; all others inside and after their events. */
const SMALL = 2_400;
/** Ends of one longer recording. */
const ENDS = 40;
/** Attempts that fail before the last one of a turn, which is whole. */
const CUTS_A_RUN = 3;
/** Cut answers of one recording that are played through the loop; `ALL_CUTS=1` plays every one that differs. */
const PLAYED = process.env['ALL_CUTS'] ? Infinity : 12;
const PLAY_MS = 600_000;

const all = recordings();

/** The real decoder over bytes in memory: as the adapter, without its connection. */
class BytesModel extends LanguageModel {
  readonly defaultModel = 'claude-opus-5-5';

  constructor(private readonly answer: (request: ModelRequest) => Uint8Array) {
    super();
  }

  describe(): string {
    return 'bytes';
  }

  async *stream(request: ModelRequest): AsyncGenerator<ModelEvent, void> {
    const decoder = new WireDecoder();
    yield* decoder.decode(this.answer(request));
    decoder.end();
    if (decoder.failure !== null) throw decoder.failure;
  }
}

/** Places right after each event. */
function eventEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let at = bytes.indexOf('\n\n'); at !== -1; at = bytes.indexOf('\n\n', at + 2)) ends.push(at + 2);
  return ends;
}

/** One cut for each thing that a loop can have seen: inside each event, and right after it. */
function cutsOf(bytes: Buffer): number[] {
  const ends = eventEnds(bytes);
  return ends.flatMap((end, index) => {
    const start = ends[index - 1] ?? 0;
    const inside = start + 1 + ((index * 7919) % (end - start - 1));
    return end === bytes.length ? [inside, end - 1] : [inside, end];
  });
}

/** So many of a list, from its first to its last. */
function spread<T>(list: T[], count: number): T[] {
  const step = Math.max(1, (list.length - 1) / (count - 1));
  return list.filter((_, index) => Math.floor(index % step) === 0 || index === list.length - 1);
}

function failureAfter(bytes: Buffer, cut: number): string | undefined {
  const decoder = new WireDecoder();
  decoder.decode(bytes.subarray(0, cut));
  decoder.end();
  return decoder.failure?.code;
}

if (noRecordings(all)) {
  it.todo('cuts the recorded answers (they are not beside this checkout)');
} else {
  describe('a recorded answer, cut at every byte', () => {
    const whole = all.filter(({ broken }) => !broken);

    it('has shown after each byte what its whole events say, and is an answer with its last byte only', () => {
      let bytesFed = 0;
      for (const { file, sse } of whole) {
        const bytes = Buffer.from(sse);
        const ends = new Set(eventEnds(bytes));
        const decoder = new WireDecoder();
        const events: ModelEvent[] = [];
        const early: number[] = [];
        for (let at = 0; at < bytes.length; at += 1) {
          const news = decoder.decode(bytes.subarray(at, at + 1));
          events.push(...news);
          const isEarly = decoder.finished && at + 1 < bytes.length;
          if (isEarly || decoder.failure !== null || (news.length > 0 && !ends.has(at + 1))) early.push(at);
        }
        bytesFed += bytes.length;
        expect({ file, early, finished: decoder.finished }).toEqual({ file, early: [], finished: true });
        expect(events).toEqual(new WireDecoder().decode(bytes));
      }
      console.log(`recordings: ${whole.length}, bytes fed one by one: ${bytesFed}`);
    });

    it('is a failure that may be tried again, wherever it ends', () => {
      let cuts = 0;
      const wrong: string[] = [];
      for (const { file, sse } of whole) {
        const bytes = Buffer.from(sse);
        const places = bytes.length <= SMALL ? Array.from(bytes.keys()) : spread(cutsOf(bytes), ENDS);
        for (const cut of places) {
          const expected = cut < eventEnds(bytes)[0]! ? 'model_protocol' : 'model_stream_truncated';
          if (failureAfter(bytes, cut) !== expected) wrong.push(`${file} at ${cut}`);
        }
        cuts += places.length;
      }
      expect(wrong).toEqual([]);
      console.log(`ends of a body: ${cuts}`);
    });
  });

  describe('a run whose recorded answer is cut', () => {
    let stage: LoopStage;

    beforeAll(async () => {
      stage = await LoopStage.open();
      for (const name of new Set(all.flatMap(({ toolNames }) => toolNames))) stage.bench.addTool(name);
    });
    afterAll(() => stage.close());

    it(
      'runs no tool on a part, glues nothing, and ends once',
      async () => {
        const started = performance.now();
        const wrong: string[] = [];
        let runs = 0;
        let cuts = 0;
        for (const recording of all) {
          const bytes = Buffer.from(recording.sse);
          const places = spread(cutsOf(bytes), PLAYED);
          for (let at = 0; at < places.length; at += CUTS_A_RUN) {
            const some = places.slice(at, at + CUTS_A_RUN);
            wrong.push(...(await faultsAfterCuts(stage, recording, bytes, some)));
            runs += 1;
            cuts += some.length;
          }
        }
        expect(wrong.slice(0, 20)).toEqual([]);
        expect(stage.bench.unexpected).toEqual([]);
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        console.log(`recordings: ${all.length}, runs: ${runs}, cut answers: ${cuts}, ${seconds} s`);
      },
      PLAY_MS,
    );
  });
}

/** Plays the answer with some cuts and then whole, and says what is wrong with the run. */
async function faultsAfterCuts(
  stage: LoopStage,
  recording: Recording,
  bytes: Buffer,
  cuts: number[],
): Promise<string[]> {
  const { effects } = stage.bench;
  effects.length = 0;
  const left = [...cuts];
  let ranEarly = 0;
  const model = new BytesModel(({ messages }) => {
    if (messages.length > 1) return Buffer.from(textReply([AFTERWARDS]).join(''));
    ranEarly += effects.length;
    const cut = left.shift();
    if (cut !== undefined) return bytes.subarray(0, cut);
    // Two answers in one never become one: in their place comes a short one.
    return recording.broken ? Buffer.from(textReply([recording.text]).join('')) : bytes;
  });
  const { text, faults, done, error } = await stage.say('go', {}, {}, model);
  const calls = recording.broken ? [] : recording.toolUses;
  const expected = recording.text + (calls.length > 0 ? AFTERWARDS : '');
  const ran = effects.map((effect) => effect.split(' ')[1]);
  return [
    ...faults,
    ...(done.status === 'completed' ? [] : [`${done.status} ${error?.code}`]),
    ...(text === expected ? [] : [`text of ${text.length} characters in the place of ${expected.length}`]),
    ...(ranEarly === 0 ? [] : ['a tool ran before its answer was whole']),
    ...(sorted(ran) === sorted(calls) ? [] : [`ran ${sorted(ran)}, not ${sorted(calls)}`]),
  ].map((fault) => `${recording.file} at ${cuts.join()}: ${fault}`);
}

function sorted(ids: (string | undefined)[]): string {
  return ids
    .map(String)
    .toSorted((a, b) => a.localeCompare(b))
    .join();
}
