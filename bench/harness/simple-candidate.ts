import { readFileSync } from 'node:fs';
import { createRequire, findPackageJSON } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { RawRequest } from './candidate.ts';

/** `candidate.ts` beside a descriptor. */
export function entryOf(descriptorUrl: string): string {
  return fileURLToPath(new URL('candidate.ts', descriptorUrl));
}

/** The request that all candidates take which the bench itself has made: `POST /stream {"content": …}`. */
export function postStream(content: string): RawRequest {
  return {
    method: 'POST',
    path: '/stream',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ content }),
  };
}

/** Name and version of installed packages of the bench, as `name version, name version`. */
export function versionsOf(...names: string[]): string {
  const from = createRequire(import.meta.url);
  return names.map((name) => `${name} ${versionOf(name, from)}`).join(', ');
}

function versionOf(name: string, from: NodeJS.Require): string {
  try {
    const file = findPackageJSON(name, import.meta.url) ?? from.resolve(`${name}/package.json`);
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  } catch {
    return '(not installed)';
  }
}
