import { maskSecrets } from '../telemetry/mask-secrets.js';

/** Controls, separators, marks that turn the direction of text, the byte order mark. */
const UNSAFE = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Text from outside as it may be stored and shown: without controls and credentials, at most `length` characters. */
export function safeText(text: string, length: number): string {
  const cut = text.slice(0, length * 2).toWellFormed();
  return Array.from(maskSecrets(cut).replace(UNSAFE, escape)).slice(0, length).join('');
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
