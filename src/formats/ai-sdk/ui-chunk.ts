/**
 * Chunks of the AI SDK's UI message stream (protocol v1, packages `ai` 5 to 7), as far as they are sent here. Some
 * versions refuse a field that they do not know, and all of them a chunk: nothing is added to these.
 */
export type UiChunk =
  | { type: 'start'; messageId: string }
  | { type: 'start-step' | 'finish-step' | 'reset-step' }
  | { type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end'; id: string }
  | { type: 'text-delta' | 'reasoning-delta'; id: string; delta: string }
  | { type: 'tool-input-start'; toolCallId: string; toolName: string }
  | { type: 'tool-input-available'; toolCallId: string; toolName: string; input: unknown }
  | { type: 'tool-approval-request'; approvalId: string; toolCallId: string }
  | { type: 'data-approval'; id: string; data: AskedApproval }
  | { type: 'tool-output-available'; toolCallId: string; output: unknown }
  | { type: 'tool-output-error'; toolCallId: string; errorText: string }
  | { type: 'tool-output-denied'; toolCallId: string }
  | { type: 'error'; errorText: string }
  | { type: 'abort' }
  | { type: 'finish'; finishReason: FinishReason };

export type FinishReason = 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'other';

/** For version 5, which knows no approvals: a part of the message that the page shows as it likes. */
export interface AskedApproval {
  runId: string;
  toolCallId: string;
  toolName: string;
  input: unknown;
  expiresAt: string;
}

/** What the versions differ in. */
export interface Dialect {
  /** Approvals are chunks; else they are data. */
  hasApprovals: boolean;
  /** Text that was shown can be taken back; else a turn is shown when it is whole. */
  hasReset: boolean;
}

const DIALECTS: Record<string, Dialect> = {
  '5': { hasApprovals: false, hasReset: false },
  '6': { hasApprovals: true, hasReset: false },
  '7': { hasApprovals: true, hasReset: true },
};

/** The newest version: what nobody can know from a request, since all versions send the same one. */
export const USUAL_VERSION = '7';

/** @returns undefined for a version that is not known. */
export function dialectOf(version: string): Dialect | undefined {
  return Object.hasOwn(DIALECTS, version) ? DIALECTS[version] : undefined;
}

/** A chunk as a server-sent event. */
export function chunkBlock(chunk: UiChunk): string {
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
