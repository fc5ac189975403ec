import type { ModelEvent, ModelRequest } from '../../../src/model/language-model.js';
import { type Beat, ScriptedModel, started, block, stopped, text, toolUse } from '../runs/scripted-model.js';
import { LEASE_MS, type VirtualNode } from './virtual-node.js';
import type { World } from './world.js';

/** What a run does: turns with their pieces of text, pauses in milliseconds, and tool calls. */
const SCRIPTS: Record<string, { says: (string | number)[]; calls?: [id: string, tool: string][] }[]> = {
  talk: [{ says: ['Hello', ', ', 300, 'you', '.'] }],
  work: [
    {
      says: ['Let me ', 100, 'look. '],
      calls: [
        ['a', 'read'],
        ['b', 'pay'],
      ],
    },
    { says: ['It is ', 400, 'done.'] },
  ],
  toil: [
    { says: [200], calls: [['a', 'pay']] },
    {
      says: ['More. ', 100],
      calls: [
        ['b', 'read'],
        ['c', 'pay'],
        ['d', 'pay'],
      ],
    },
    { says: ['All ', 'done.'] },
  ],
  sign: [
    {
      says: ['May I? '],
      calls: [
        ['a', 'sign'],
        ['b', 'read'],
      ],
    },
    { says: [100, 'That was it.'] },
  ],
  long: [{ says: ['One, ', 1_500, 'two, ', 1_500, 'three, ', 1_500, 'four.'] }],
};
export const SCRIPT_NAMES = Object.keys(SCRIPTS);
/** How long each tool takes, in virtual milliseconds. */
const TOOLS = {
  read: { idempotent: true, ms: 200 },
  pay: { idempotent: false, ms: 600 },
  sign: { idempotent: false, ms: 300, approval: 'always' as const },
};

/** A message that names its script and, by its number, its run. */
export const messageFor = (script: string, number: number): string => `${script} #${number}`;

/** The tools of one node: each call leaves its mark in the world, then takes its time. */
export function addTools(node: VirtualNode, world: World): void {
  for (const [name, { ms, ...options }] of Object.entries(TOOLS)) {
    node.bench.addTool(
      name,
      async (_, { runId, toolCallId, idempotencyKey, signal }) => {
        // A process that was stopped or killed just before has no effect now.
        while (node.state !== 'up') await world.clock.pause(1, new AbortController().signal);
        world.effects.push({ name, runId, toolCallId, idempotencyKey });
        const end = world.begin(node, runId, signal);
        await world.clock.pause(ms, signal);
        end();
        signal.throwIfAborted();
        return `${name} done`;
      },
      options,
    );
  }
}

/** Says the same to the same conversation, on whichever node. */
class ConversationModel extends ScriptedModel {
  constructor(
    private readonly node: VirtualNode,
    private readonly world: World,
  ) {
    super((request) => answer(request, node, world));
  }

  /**
   * What is aborted already does not reach the provider, so it is nobody's request. A process that has just stood
   * still may ask with what the next owner has stored: it learns at its first write that the run is not its own.
   */
  override async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
    signal.throwIfAborted();
    const mayBeLate = this.world.clock.now - this.node.pausedUntil < LEASE_MS;
    const before = this.complaints.length;
    try {
      yield* super.stream(request, signal);
    } finally {
      if (mayBeLate) this.complaints.length = before;
    }
  }
}

export function scriptedModel(node: VirtualNode, world: World): ScriptedModel {
  const model = new ConversationModel(node, world);
  world.models.add(model);
  return model;
}

function answer({ messages }: ModelRequest, node: VirtualNode, world: World): Beat[] {
  const begin = messages.findLastIndex(
    ({ role, content }) => role === 'user' && content.some(({ type }) => type === 'text'),
  );
  const [script = '', number] = String(messages[begin]?.content.at(-1)?.['text']).split(' #');
  const turn = SCRIPTS[script]?.[(messages.length - 1 - begin) / 2];
  if (turn === undefined) return [new Error(`no turn for ${JSON.stringify(messages)}`)];
  const runId = world.runOf(Number(number));
  const pause = (ms: number) => async (signal: AbortSignal) => {
    const end = world.begin(node, runId, signal);
    await world.clock.pause(ms, signal);
    end();
  };
  const calls = (turn.calls ?? []).map(([id, tool]) => toolUse(`${number}${id}`, tool));
  const said = turn.says.map((piece) => (typeof piece === 'number' ? pause(piece) : text(piece)));
  return [
    started,
    ...said,
    block(0, { type: 'text', text: '' }),
    ...calls.map((call, index) => block(index + 1, call)),
    stopped(calls.length > 0 ? 'tool_use' : 'end_turn'),
  ];
}
