import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textReply, TINY_USAGE } from './support/anthropic/anthropic-sse.js';
import { recordings, type Recording } from './support/anthropic/recordings.js';
import { blocksOf } from './support/anthropic/strict-anthropic.js';
import { Api } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { dataOf, faultsOf, textOf, toolFaultsOf, type ViewedEvent } from './support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from './support/fake-upstream.js';
import { upstreamEnv } from './support/test-env.js';

const AFTERWARDS = 'And that was all.';
const all = recordings();

if (all.length > 0) {
  describe('an answer recorded from the real service', () => {
    let upstream: FakeUpstream;
    let app: RunningApp;
    let api: Api;

    beforeAll(async () => {
      upstream = await FakeUpstream.start(answer);
      app = await startApp(upstreamEnv(upstream.url));
      api = await Api.as(app.url, 'ada');
    });

    afterAll(async () => {
      await app?.stop();
      await upstream?.stop();
    });

    it.each(
      all.filter((recording) => !recording.broken).map((recording) => [recording.file, recording] as const),
    )('reaches the viewer whole: %s', async (file, recording) => {
      const list = await listOf(api, file);
      expect(faultsOf(list)).toEqual([]);
      expect(toolFaultsOf(list)).toEqual([]);
      expect(textOf(list)).toBe(recording.text + (recording.toolUses.length > 0 ? AFTERWARDS : ''));
      expect(dataOf(list.at(-1)).usage).toEqual(usageOf(recording));
      expect(list.filter((event) => event.event === 'reset')).toEqual([]);
      expect(upstream.complaints).toEqual([]);
    });

    it.each(all.filter((recording) => recording.broken).map((recording) => [recording.file] as const))(
      'that holds two answers in one is an attempt that failed, and is not glued to the next: %s',
      async (file) => {
        const list = await listOf(api, file);
        expect(faultsOf(list)).toEqual([]);
        expect(textOf(list)).toBe(AFTERWARDS);
        expect(toolFaultsOf(list)).toEqual([]);
        expect(dataOf(list.at(-1))).toMatchObject({ status: 'completed', stop_reason: 'end_turn' });
        expect(upstream.complaints).toEqual([]);
      },
    );

    it('reaches the viewer whole when it arrives in pieces of 7 bytes', async () => {
      const recording = all.find(({ file }) => file.includes('web-search-tool'))!;
      const list = await listOf(api, `7 bytes: ${recording.file}`);
      expect(faultsOf(list)).toEqual([]);
      expect(textOf(list)).toBe(recording.text);
    });
  });
}

/** The recording that the user's message names; what follows is a short answer. */
function answer(call: UpstreamCall): Reply {
  const first = call.body.messages.find((message) => message.role === 'user')!;
  const asked = String(blocksOf(first)[0]?.['text']);
  const recording = all.find(({ file }) => asked.endsWith(file))!;
  const again = call.body.messages.length > 1;
  const repeated = recording.broken && played.has(recording.file);
  played.add(recording.file);
  if (again || repeated) return { sse: textReply([AFTERWARDS]) };
  return { sse: [recording.sse], ...(asked.startsWith('7 bytes') ? { chunkBytes: 7 } : {}) };
}

const played = new Set<string>();

async function listOf(api: Api, content: string): Promise<ViewedEvent[]> {
  return (await api.read({}, { body: { content } })).events;
}

function usageOf(recording: Recording): Record<string, number | boolean> {
  const calls = recording.toolUses.length > 0 ? 2 : 1;
  const extra = calls - 1;
  return {
    input_tokens: recording.total.input_tokens + extra * TINY_USAGE.input_tokens,
    output_tokens: recording.total.output_tokens + extra * TINY_USAGE.output_tokens,
    cache_read_input_tokens: recording.total.cache_read_input_tokens,
    cache_creation_input_tokens: recording.total.cache_creation_input_tokens,
    model_calls: calls,
    estimated: false,
  };
}
