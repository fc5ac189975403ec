import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AnthropicModel } from '../../src/model/anthropic/anthropic-model.js';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { LoopStage, type Played } from '../support/anthropic/loop-stage.js';
import { noRecordings, recordings, type Recording } from '../support/anthropic/recordings.js';
import type { Fault, StrictAnswer } from '../support/anthropic/strict-answer.js';
import { blocksOf, type WireBody } from '../support/anthropic/strict-anthropic.js';
import type { StrictCall } from '../support/anthropic/strict-upstream.js';

const AFTERWARDS = 'And that was all.';
/** Silence that counts as a stall here; an answer that is only slow is asked for again, and the run is the same. */
const IDLE_MS = 1200;

const all = recordings();

/** What the upstream says to whom: the first message of a conversation names its answers. */
class Script {
  private readonly answers = new Map<string, StrictAnswer[]>();

  /** @returns what the user has to say to hear the recording, after these faults. */
  ask({ file, sse, text, broken }: Recording, faults: Fault[]): string {
    const asked = `${this.answers.size} ${file}`;
    // Two answers in one never become one: after them comes a short one.
    const short = { sse: textReply([text]) };
    const last = broken ? [...(faults.length > 0 ? [] : [{ sse }]), short] : [{ sse, pings: true }];
    this.answers.set(asked, [...faults.map((fault) => ({ sse, fault })), ...last]);
    return asked;
  }

  answer({ body }: StrictCall): StrictAnswer {
    if (body.messages.length > 1) return { sse: textReply([AFTERWARDS]) };
    const left = this.answers.get(firstText(body))!;
    // Where a slow machine was taken for silence, the whole answer is asked for once more.
    return left.length > 1 ? left.shift()! : left[0]!;
  }
}

if (noRecordings(all)) {
  it.todo('plays the recorded answers (they are not beside this checkout)');
} else {
  describe('a recorded answer over HTTP, through the whole executor', () => {
    let stage: LoopStage;
    let impatient: AnthropicModel;
    const script = new Script();

    beforeAll(async () => {
      stage = await LoopStage.open();
      impatient = new AnthropicModel({
        defaultModel: 'claude-opus-5-5',
        baseUrl: stage.upstream.url,
        apiKey: 'test-key',
        idleMs: IDLE_MS,
      });
      stage.upstream.answer((call) => script.answer(call));
      for (const name of new Set(all.flatMap(({ toolNames }) => toolNames))) stage.bench.addTool(name);
    });
    beforeEach(() => {
      stage.bench.effects.length = 0;
      stage.upstream.forget();
    });
    afterAll(() => stage.close());

    it('is shown whole, its tools run once each, and the strict upstream refuses nothing', async () => {
      const wrong: string[] = [];
      for (const recording of all) {
        const played = await stage.say(script.ask(recording, []));
        wrong.push(...faultsIn(played, recording), ...effectFaults(stage, [recording]));
        stage.bench.effects.length = 0;
      }
      expect(wrong).toEqual([]);
      expect(stage.upstream.refusals).toEqual([]);
      expect(stage.bench.unexpected).toEqual([]);
    });

    it('is asked for again after each fault, and nothing of the broken answer stays', async () => {
      const wrong: string[] = [];
      for (const recording of all) {
        for (const faults of faultsFor(Buffer.byteLength(recording.sse))) {
          const played = await stage.say(script.ask(recording, faults));
          wrong.push(...faultsIn(played, recording), ...effectFaults(stage, [recording]));
          stage.bench.effects.length = 0;
        }
      }
      expect(wrong).toEqual([]);
      expect(stage.upstream.refusals).toEqual([]);
      expect(stage.bench.unexpected).toEqual([]);
      console.log(`recordings: ${all.length}, requests with their answers: ${stage.upstream.calls.length}`);
    });

    it('that falls silent is given up and asked for again', async () => {
      const played = await Promise.all(
        all.map((recording) => {
          const at = Math.floor(Buffer.byteLength(recording.sse) / 2);
          return stage.say(script.ask(recording, [{ kind: 'stall', at }]), {}, {}, impatient);
        }),
      );
      const wrong = played.flatMap((one, index) => faultsIn(one, all[index]!));
      expect([...wrong, ...effectFaults(stage, all)]).toEqual([]);
      expect(stage.upstream.refusals).toEqual([]);
    });
  });
}

/** Every fault but silence, in two runs: no turn has more than three attempts that fail. */
function faultsFor(length: number): Fault[][] {
  const at = (part: number) => Math.max(1, Math.floor(length * part));
  return [
    [
      { kind: 'cut', at: at(0.9) },
      { kind: 'reset', at: at(0.5) },
      { kind: 'garbage', at: at(0.7) },
    ],
    [
      { kind: 'error', at: at(0.6), type: 'overloaded_error' },
      { kind: 'second-start', at: at(0.4) },
    ],
  ];
}

function firstText({ messages }: WireBody): string {
  return String(blocksOf(messages[0]!)[0]!['text']);
}

function faultsIn({ text, faults, done, error, events }: Played, recording: Recording): string[] {
  const calls = recording.broken ? [] : recording.toolUses;
  const expected = recording.text + (calls.length > 0 ? AFTERWARDS : '');
  return [
    ...faults,
    ...(done.status === 'completed' ? [] : [`${done.status} ${error?.code}: ${error?.error}`]),
    ...(text === expected ? [] : [`shows ${text.length} characters in the place of ${expected.length}`]),
    ...(events.at(-1)?.event === 'done' ? [] : ['does not end with done']),
  ].map((fault) => `${recording.file}: ${fault}`);
}

/** Each call of each recording once, and nothing else. */
function effectFaults({ bench }: LoopStage, played: Recording[]): string[] {
  const calls = played.flatMap(({ broken, toolUses }) => (broken ? [] : toolUses));
  const ran = bench.effects.map((effect) => effect.split(' ')[1] ?? '');
  const ids = [...new Set([...calls, ...ran])].filter((id) => count(calls, id) !== count(ran, id));
  return ids.map((id) => `call ${id} ran ${count(ran, id)} times, not ${count(calls, id)}`);
}

function count(list: string[], id: string): number {
  return list.filter((one) => one === id).length;
}
