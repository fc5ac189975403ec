import { typeidUnboxed } from 'typeid-js';

/** What an id names: session, message, run, user, process, summary, model call, API key, entry of the audit. */
export type IdPrefix = 'ses' | 'msg' | 'run' | 'usr' | 'node' | 'cmp' | 'call' | 'key' | 'aud';

const SUFFIX = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** A new id: prefix and UUIDv7 in base 32 (TypeID 0.3), ASCII, 30 characters, sortable by time. */
export function newId(prefix: IdPrefix): string {
  return typeidUnboxed(prefix);
}

/** Whether the text is an id of that kind in its one canonical form. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && SUFFIX.test(text.slice(prefix.length + 1));
}
