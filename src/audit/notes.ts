import type { Actor } from './audit-entry.js';

/** What is only known while a request is served. */
export interface Note {
  actor?: Actor;
  /** Ids of what it was done to, the narrowest first. */
  ids?: readonly string[];
  /** Code of the error, where the status of the answer does not tell of one. */
  code?: string;
}

const notes = new WeakMap<object, Note>();

/** Tells the audit who a request, or a handshake, is from; also before it is known whether they may. */
export function noteActor(request: object, { userId, tenantId, via, keyId }: Actor): void {
  notes.set(request, { ...notes.get(request), actor: { userId, tenantId, via, keyId } });
}

/** Tells the audit what a request was done to, where neither its path nor its answer names it. */
export function noteTarget(request: object, ...ids: string[]): void {
  notes.set(request, { ...notes.get(request), ids });
}

/** Tells the audit that a request was refused, though its answer has the status of one that was not. */
export function noteRefusal(request: object, code: string): void {
  notes.set(request, { ...notes.get(request), code });
}

export function noteOf(request: object): Note {
  return notes.get(request) ?? {};
}
