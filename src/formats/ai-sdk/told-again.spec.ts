import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { PlacedRunEvent, RunEvent } from '../../event-log/run-event.js';
import { MessageMapping } from './message-mapping.js';
import { dialectOf, type UiChunk } from './ui-chunk.js';

const RUN = 'run_01h455vb4pex5vsknk084sn02q';
const USAGE = {
  input_tokens: 1,
  output_tokens: 1,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  model_calls: 1,
  estimated: false,
};

type Said = [kind: 'token' | 'thinking', text: string][];
interface Turn {
  broken: Said[];
  whole: Said;
  calls: number;
}

// Few letters: attempts that begin alike are what is to be tried.
const said = fc.array(
  fc.tuple(
    fc.constantFrom('token' as const, 'thinking' as const),
    fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 }),
  ),
  { maxLength: 5 },
);
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({ broken: fc.array(said, { maxLength: 2 }), whole: said, calls: fc.nat({ max: 2 }) }),
  { maxLength: 3 },
);

/** A log with broken attempts that are taken back, and what it comes to. */
function tell(all: Turn[]): { events: PlacedRunEvent[]; truth: string[] } {
  const events: PlacedRunEvent[] = [];
  const add = (event: RunEvent) => {
    const seq = events.length + 1;
    events.push({ ...event, id: `${RUN}.1.${seq}`, run_id: RUN, attempt: 1, seq });
  };
  const truth: string[] = [];
  const say = (texts: Said) => texts.forEach(([type, text]) => add({ type, data: { text } }));
  add({ type: 'run', data: { run_id: RUN, session_id: 'ses_1', status: 'running', attempt: 1, model: 'm' } });
  for (const [number, { broken, whole, calls }] of all.entries()) {
    const after = events.at(-1)!.id;
    for (const attempt of broken) {
      say(attempt);
      add({ type: 'reset', data: { after, reason: 'model_failed' } });
    }
    say(whole);
    whole.forEach(([type, text]) => truth.push(`${type === 'token' ? 'text' : 'reasoning'} ${text}`));
    const ids = Array.from({ length: calls }, (_, n) => `toolu_${number}_${n}`);
    for (const id of ids) add({ type: 'tool_call', data: { id, name: 'look', args: {} } });
    for (const id of ids) {
      add({ type: 'tool_result', data: { id, name: 'look', result: id, is_error: false, duration_ms: 1 } });
      truth.push(`tool ${id} ${id}`);
    }
  }
  const data = { status: 'completed' as const, stop_reason: 'end_turn', usage: USAGE, cost_usd: null };
  add({ type: 'done', data });
  return { events, truth: merged(truth) };
}

/** What a client makes of chunks, strict as the packages are: a delta needs its start, an outcome its call. */
function shown(chunks: UiChunk[]): string[] {
  let parts: string[] = [];
  const active = new Map<string, number>();
  let stepStart = 0;
  for (const chunk of chunks) {
    if (chunk.type === 'start-step') stepStart = parts.length;
    if (chunk.type === 'reset-step') {
      parts = parts.slice(0, stepStart);
      active.clear();
    }
    if (chunk.type === 'text-start' || chunk.type === 'reasoning-start') {
      active.set(chunk.id, parts.push(`${chunk.type.split('-')[0]} `) - 1);
    }
    if (chunk.type === 'text-delta' || chunk.type === 'reasoning-delta')
      parts[active.get(chunk.id)!] += chunk.delta;
    if (chunk.type === 'text-end' || chunk.type === 'reasoning-end')
      expect(active.delete(chunk.id)).toBe(true);
    if (chunk.type === 'tool-input-available') parts.push(`tool ${chunk.toolCallId}`);
    if (chunk.type === 'tool-output-available') {
      parts[parts.indexOf(`tool ${chunk.toolCallId}`)] += ` ${String(chunk.output)}`;
    }
  }
  expect(active.size).toBe(0);
  return merged(parts);
}

/** Neighbours of a kind are one: turns without a call in between are not told apart. */
function merged(parts: string[]): string[] {
  const out: string[] = [];
  for (const part of parts) {
    const kind = part.split(' ', 1)[0]!;
    if (part === `${kind} `) continue;
    if (kind !== 'tool' && out.at(-1)?.startsWith(`${kind} `))
      out.push(out.pop()! + part.slice(kind.length + 1));
    else out.push(part);
  }
  return out;
}

describe('whatever broke, and whenever a client comes', () => {
  it.each(['5', '6', '7'])('a client of version %s shows in the end what was said', (version) => {
    fc.assert(
      fc.property(turns, fc.nat(), (all, when) => {
        const { events, truth } = tell(all);
        const known = when % (events.length + 1);
        const mapping = new MessageMapping({ dialect: dialectOf(version)!, known, isDecided: false });
        const chunks = events.flatMap((event) => mapping.map(event));
        expect(shown(chunks)).toEqual(truth);
        expect(chunks.at(-1)).toEqual({ type: 'finish', finishReason: 'stop' });
        const resets = chunks.filter(({ type }) => type === 'reset-step');
        if (version !== '7') expect(resets).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
