import { z } from 'zod';
import type { Owner } from '../auth/principal.js';
import type { Message } from './message.js';
import type { Session } from './session.js';

export const sessionView = z
  .object({
    id: z.string(),
    title: z.string().nullable(),
    model: z.string().nullable(),
    system: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()),
    agent: z.string().nullable(),
    parent_run_id: z.string().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    owner_id: z.string(),
    owner_email: z.string().nullable().describe('Of who shows it to the reader, where it is known'),
    access: z.enum(['owner', 'viewer']),
  })
  .meta({ id: 'Session' });
export type SessionView = z.output<typeof sessionView>;

export const messageView = z
  .object({
    id: z.string(),
    run_id: z.string().nullable(),
    role: z.enum(['user', 'assistant']),
    content: z.array(z.looseObject({ type: z.string() })),
    stop_reason: z.string().nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Message' });
export type MessageView = z.output<typeof messageView>;

export const sessionList = z
  .object({ data: z.array(sessionView), next_cursor: z.string().nullable() })
  .meta({ id: 'SessionList' });
export type SessionList = z.output<typeof sessionList>;

export const messageList = z.object({ data: z.array(messageView) }).meta({ id: 'MessageList' });
export type MessageList = z.output<typeof messageList>;

/** Times leave the server as RFC 3339 in UTC. */
export function toTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Who only watches a conversation is not told how it was set up. */
export function viewSession(session: Session, reader: Owner): SessionView {
  const isOwner = session.userId === reader.userId;
  return {
    id: session.id,
    title: session.title,
    model: session.model,
    system: isOwner ? session.system : null,
    metadata: isOwner ? session.metadata : {},
    agent: session.agent,
    parent_run_id: session.parentRunId,
    created_at: toTime(session.createdAt),
    updated_at: toTime(session.updatedAt),
    owner_id: session.userId,
    owner_email: session.ownerEmail ?? null,
    access: isOwner ? 'owner' : 'viewer',
  };
}

export function viewMessage(message: Message): MessageView {
  return {
    id: message.id,
    run_id: message.runId === message.sessionId ? null : message.runId,
    role: message.role,
    content: message.content,
    stop_reason: message.stopReason,
    created_at: toTime(message.createdAt),
  };
}
