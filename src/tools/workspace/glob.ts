import { RE2JS } from 're2js';
import { ToolError } from '../tool-error.js';

const MAX_GLOB_LENGTH = 256;

/**
 * Whether a path fits a glob: `*` and `?` within a name, `**` over names, `[a-z]` and `[!a-z]`, `{a,b}` (not nested).
 * A glob without `/` is about the last name alone. In time linear in the path.
 * @throws ToolError for what is no glob.
 */
export function globMatcher(glob: string): (path: string) => boolean {
  if (glob.length > MAX_GLOB_LENGTH) throw new ToolError(`A glob has ${MAX_GLOB_LENGTH} characters at most.`);
  const wholePath = glob.includes('/');
  const pattern = compile(glob, toPattern(glob.replace(/^\.?\//, '')));
  return (path) => pattern.testExact(wholePath ? path : path.slice(path.lastIndexOf('/') + 1));
}

function toPattern(glob: string): string {
  let inBraces = false;
  const tokens = glob.match(/\*\*\/|\*\*|\[!?\]?[^\]]*\]|[^]/gu) ?? [];
  const parts = tokens.map((token) => {
    if (token === '**/') return '(?:[^/]*/)*';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.length > 1 && token.startsWith('[')) return classOf(token);
    if (token === '{' && !inBraces) {
      inBraces = true;
      return '(?:';
    }
    if (token === '}' && inBraces) {
      inBraces = false;
      return ')';
    }
    return token === ',' && inBraces ? '|' : RE2JS.quote(token);
  });
  return parts.join('');
}

/** `[!a-z]` as a pattern has it; a slash is in no class. */
function classOf(token: string): string {
  const isNot = token.startsWith('[!');
  const members = token.slice(isNot ? 2 : 1, -1).replaceAll(/[\\[\]^&~]/g, '\\$&');
  return isNot ? `[^/${members}]` : `[${members}]`;
}

function compile(glob: string, pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern, RE2JS.DOTALL);
  } catch (cause) {
    throw new ToolError(`${JSON.stringify(glob)} is not a glob.`, { cause });
  }
}
