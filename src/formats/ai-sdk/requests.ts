import { z } from 'zod';
import { plainText, textUpTo } from '../../sessions/requests.js';

const reason = textUpTo(10_000).optional();

/** What `useChat` posts, and what a page may add as `body` of its transport. Other names are the page's own. */
export const chatRequest = z
  .object({
    /** The chat: any name of the client's, or the id of a session. */
    id: textUpTo(128).min(1),
    /** Only the last one is read. */
    messages: z.array(z.unknown()).min(1),
    trigger: z.enum(['submit-message', 'regenerate-message']).default('submit-message'),
    messageId: z.string().max(200).optional(),
    agent: textUpTo(200).optional(),
    /** Who sends a message while an answer is being made does not want the rest of that any more. */
    when_busy: z.enum(['queue', 'reject', 'interrupt', 'steer']).default('interrupt'),
    on_disconnect: z.enum(['continue', 'cancel']).default('continue'),
    /** Decisions, for clients whose messages have no place for them. */
    approvals: z
      .array(z.object({ id: z.string().min(1).max(200), approved: z.boolean(), reason }))
      .max(100)
      .default([]),
  })
  .meta({ id: 'AiSdkChat' });
export type ChatRequest = z.output<typeof chatRequest>;

const parts = z.array(z.unknown()).max(1_000);

export const lastMessage = z.discriminatedUnion('role', [
  z.object({ role: z.literal('user'), id: plainText.min(1).max(200), parts }),
  z.object({ role: z.literal('assistant'), id: z.string().max(200).optional(), parts }),
]);
export type LastMessage = z.output<typeof lastMessage>;

export const textPart = z.object({ type: z.literal('text'), text: z.string() });

export const filePart = z.object({
  type: z.literal('file'),
  mediaType: z.string().max(200),
  url: z.string().min(1),
  filename: z.string().optional(),
});

/** A tool call in a message of the assistant's, with a person's answer where there is one. */
export const toolPart = z.object({
  type: z.string().regex(/^(tool-|dynamic-tool$)/),
  toolCallId: z.string().min(1).max(200),
  state: z.string(),
  approval: z.unknown().optional(),
});

export const approvalAnswer = z.object({ approved: z.boolean(), reason });

export const stoppedChat = z.object({ stopped: z.array(z.string()) }).meta({ id: 'StoppedChat' });
export type StoppedChat = z.output<typeof stoppedChat>;
