import { z } from 'zod';
import { textUpTo } from '../../sessions/requests.js';
import { resumeEntry } from './interrupts.js';

const name = textUpTo(200).refine((text) => text !== '', 'must not be empty');

/** A message as the client holds it. Only the last one that the user said counts; all are given back as they came. */
const clientMessage = z.looseObject({ id: z.string().max(1_000), role: z.string().max(100) });
export type ClientMessage = z.output<typeof clientMessage>;

/** What a page may say to us beside the protocol. */
const forwarded = z
  .looseObject({
    agentline: z
      .strictObject({
        /** Who works on this run; without it the session's own agent. */
        agent: name.optional(),
        when_busy: z.enum(['queue', 'reject', 'interrupt']).optional(),
        /** `cancel`: the run ends when nobody has followed it for 10 s. */
        on_disconnect: z.enum(['continue', 'cancel']).optional(),
      })
      .optional(),
  })
  .nullish();

/**
 * `RunAgentInput` of AG-UI 1.0, with whatever later versions add. `tools` and `context` are taken and not used: what
 * an agent may do is the server's to say. `state` is given back in snapshots.
 */
export const runAgentInput = z
  .looseObject({
    threadId: name,
    runId: name,
    messages: z.array(clientMessage),
    resume: z.array(resumeEntry).max(1_000).optional(),
    state: z.unknown().optional(),
    tools: z.unknown().optional(),
    context: z.unknown().optional(),
    forwardedProps: forwarded,
  })
  .meta({ id: 'AgUiRunInput' });
export type RunAgentInput = z.output<typeof runAgentInput>;

export const cancelInput = z
  .strictObject({ threadId: name, runId: name.optional() })
  .meta({ id: 'AgUiCancel' });
export type CancelInput = z.output<typeof cancelInput>;
