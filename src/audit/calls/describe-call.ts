import type { AuditEntry, Client, Details, Outcome } from '../audit-entry.js';
import type { Note } from '../notes.js';
import type { RoutedCall } from './route-table.js';
import { safeText } from '../safe-text.js';

/** A call over HTTP when its answer begins. */
export interface Call {
  method: string;
  routed: RoutedCall;
  status: number;
  /** Of the request, where it was parsed. */
  body: unknown;
  query: unknown;
  /** Of the answer, where it is JSON and whole. */
  answer: unknown;
  note: Note;
  client: Client;
}

/** RFC 9110 §9.2.1 */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const REFUSALS = new Set([401, 403, 404, 409, 410, 413, 415, 422, 429]);
const API = '/api/';

/** An id of ours, as the audit names what it belongs to. */
const OWN_ID = /^([a-z]{2,8})_[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const KINDS: Record<string, string> = {
  ses: 'session_id',
  run: 'run_id',
  msg: 'message_id',
  usr: 'user_id',
  key: 'key_id',
};
const MAX_ID = 128;
const EMAIL = /^[^\s@\p{C}]{1,64}@[^\s@\p{C}]{1,189}$/u;
const MAX_WORD = 128;
const MAX_WORDS = 100;

export function isRead(method: string): boolean {
  return SAFE_METHODS.has(method);
}

/**
 * Whether the audit has it: every call that may change something, whatever came of it; of those that read, the ones
 * that were refused, and those of routes that are always audited.
 */
export function isAudited({ method, routed, status, answer, note }: Pick<Call, AuditedBy>): boolean {
  if (!isRead(method) || routed.route.isAlways || note.code !== undefined) return true;
  // Files of pages that are not there tell nothing.
  if (status === 404) return routed.route.pattern.startsWith(API);
  return REFUSALS.has(status) || codeOf(answer) === 'mixed_credentials';
}

type AuditedBy = 'method' | 'routed' | 'status' | 'answer' | 'note';

/** A call as the audit tells it: ids, codes and words of ours; nothing else of what was said. */
export function describeCall(call: Call): AuditEntry {
  const { route } = call.routed;
  const outcome = call.note.code === undefined ? outcomeOf(call.status) : 'refused';
  const { target, others } = idsOf(call, outcome);
  const kept = outcome === 'allowed' ? keptOf(call) : {};
  const account =
    call.note.actor === undefined && outcome !== 'allowed' ? triedAccount(call.body) : undefined;
  const details = { ...others, ...kept, ...(account === undefined ? {} : { email: account }) };
  return {
    actor: call.note.actor ?? null,
    client: call.client,
    action: route.audited?.action ?? `${route.method} ${route.pattern}`,
    target,
    outcome,
    code: call.note.code ?? (outcome === 'allowed' ? null : codeOf(call.answer)),
    details: Object.keys(details).length === 0 ? null : details,
    ...(account === undefined ? {} : { account }),
  };
}

function outcomeOf(status: number): Outcome {
  if (status < 400) return 'allowed';
  return status < 500 ? 'refused' : 'failed';
}

/**
 * What it was done to: what the answer made, else what the path names first. What else is named, like the session of
 * a run, stands beside it.
 */
function idsOf(call: Call, outcome: Outcome): { target: string | null; others: Details } {
  const named = [...call.routed.params].map(([name, value]) => ({ name, value: safeText(value, MAX_ID) }));
  const made = outcome === 'allowed' ? madeIds(call.answer) : [];
  const asked = [idIn(call.body, 'session_id'), idIn(call.query, 'session_id'), idIn(call.query, 'run_id')];
  const ids = [...(call.note.ids ?? []), ...made, ...(named[0] ? [named[0].value] : []), ...asked];
  const [target = null, ...rest] = ids.filter((id) => id !== undefined);
  const others: Record<string, string> = {};
  for (const id of rest) if (id !== target) others[nameOf(id)] ??= id;
  for (const { name, value } of named.slice(1)) if (value !== target) others[name] = value;
  return { target, others };
}

/** Ids of what an answer tells of: `{id}`, `{run: {id, session_id}}`, `{run_id}`. */
function madeIds(answer: unknown): (string | undefined)[] {
  if (!isRecord(answer)) return [];
  const made = [answer, ...Object.values(answer).filter(isRecord)].find((each) => idIn(each, 'id'));
  return [
    idIn(made, 'id'),
    idIn(made, 'session_id'),
    ...['run_id', 'session_id', 'user_id', 'key_id'].map((name) => idIn(answer, name)),
  ];
}

function idIn(value: unknown, name: string): string | undefined {
  const id = isRecord(value) ? value[name] : undefined;
  return typeof id === 'string' && OWN_ID.test(id) ? id : undefined;
}

function nameOf(id: string): string {
  return KINDS[OWN_ID.exec(id)?.[1] ?? ''] ?? 'id';
}

/** The fields of the answer that the route names. */
function keptOf({ routed, answer }: Call): Details {
  if (!isRecord(answer)) return {};
  const kept: Record<string, Details[string]> = {};
  for (const name of routed.route.audited?.keep ?? []) {
    const word = wordOf(answer[name]);
    if (word !== undefined) kept[name] = word;
  }
  return kept;
}

function wordOf(value: unknown): Details[string] | undefined {
  if (typeof value === 'string') return safeText(value, MAX_WORD);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (!Array.isArray(value)) return undefined;
  const words = value.filter((each) => typeof each === 'string').slice(0, MAX_WORDS);
  return words.map((word) => safeText(word, MAX_WORD));
}

/** The e-mail address of a sign-in, where it is one. */
function triedAccount(body: unknown): string | undefined {
  if (!isRecord(body) || typeof body['password'] !== 'string') return undefined;
  const email = body['email'];
  return typeof email === 'string' && EMAIL.test(email) ? email.toLowerCase() : undefined;
}

function codeOf(answer: unknown): string | null {
  return isRecord(answer) && typeof answer['code'] === 'string' ? answer['code'] : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
