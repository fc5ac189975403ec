import { ToolError } from '../tool-error.js';

/** Folders and file of a path, from the workspace down. Empty: the workspace itself. */
export type WorkspacePath = readonly string[];

export const MAX_DEPTH = 16;
const MAX_PATH_BYTES = 1024;
/** What the usual file systems take as a name. */
const MAX_NAME_BYTES = 255;
/** Names of files that are being written; they exist for a moment and belong to nobody. */
export const TEMPORARY = '.agentline-';

/** Control, format (zero width, direction, tags), half surrogates, line and paragraph separators. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** What looks like `/` or `\`, or becomes it when a program normalises the name. */
const LIKE_SLASH = /[\u2044\u2215\u29f8\u2571\uff0f\u2216\u29f5\u29f9\ufe68\uff3c]/u;
/** What looks like dots alone, or becomes them; some servers leave out what follows `;`. */
const LIKE_DOTS = /^[.\u2024\u2025\u2026\u22ef\u3002\ufe52\uff0e\uff61\u00b7\u0701\u0702]+(?:;.*)?$/u;
/** A program that decodes the name once more would find a separator, a dot, an end of text or `%` itself. */
const ENCODED = /%(?:2e|2f|5c|00|25)|%u[0-9a-f]{4}|%c0%|%e0%/i;
/** Means something else on Windows: drives and streams, wildcards, quotes. */
const WINDOWS_CHARACTER = /[<>:"|?*]/;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/**
 * Reads a path as a model writes it: relative to the workspace, with `/` between names. `.` and the empty text mean
 * the workspace itself; `./` at the beginning and one `/` at the end are left out.
 *
 * A name is refused when it could be another place than it seems, here or on any file system that the folder may be
 * copied to. This looks at the text alone: what really is there, links above all, is up to whoever opens it.
 * @throws ToolError
 */
export function parseWorkspacePath(text: string): WorkspacePath {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_PATH_BYTES) throw new ToolError(`A path has ${MAX_PATH_BYTES} bytes at most.`);
  const plain = text.replace(/^(?:\.\/)+/, '').replace(/(?<=[^/])\/$/, '');
  if (plain === '' || plain === '.') return [];
  if (plain.startsWith('/')) throw refused(text, 'is absolute: paths are relative to the workspace');
  const names = plain.split('/');
  if (names.length > MAX_DEPTH) throw refused(text, `is deeper than ${MAX_DEPTH} folders`);
  for (const name of names) {
    const problem = problemOf(name);
    if (problem !== undefined) throw refused(text, problem);
  }
  return names;
}

/** For messages and as a key: the one way in which a path is written. */
export function formatWorkspacePath(path: WorkspacePath): string {
  return path.length === 0 ? '.' : path.join('/');
}

/** Whether a name of a folder's listing is one that a path can have. */
export function isWorkspaceName(name: string): boolean {
  return problemOf(name) === undefined;
}

function problemOf(name: string): string | undefined {
  if (name === '') return 'has an empty name between two slashes';
  if (UNSEEN.test(name)) return 'contains a control or invisible character';
  if (name.includes('\\')) return 'contains a backslash: use / between names';
  if (LIKE_SLASH.test(name)) return 'contains a character that looks like a slash';
  if (LIKE_DOTS.test(name)) return 'leaves the workspace or has a name of dots only';
  if (ENCODED.test(name)) return 'contains an encoded separator or dot';
  if (name.startsWith('~')) return 'begins a name with ~';
  if (name.startsWith(TEMPORARY)) return `begins a name with ${TEMPORARY}, which the server uses itself`;
  if (WINDOWS_CHARACTER.test(name)) return 'contains one of < > : " | ? *';
  if (WINDOWS_DEVICE.test(name)) return 'contains the name of a device';
  if (/^ |[. ]$/.test(name)) return 'begins a name with a space, or ends one with a space or a dot';
  if (name !== name.normalize('NFC')) return 'is not in composed form (Unicode NFC)';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `has a name of more than ${MAX_NAME_BYTES} bytes`;
  return undefined;
}

function refused(text: string, why: string): ToolError {
  return new ToolError(`The path ${JSON.stringify(text.slice(0, 200))} ${why}.`);
}
