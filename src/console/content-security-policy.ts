import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Where modules of others are (https://html.spec.whatwg.org/#import-maps): the one script that stands in the page. */
const IMPORT_MAP = /<script type="importmap">([^<]*)<\/script>/;

const page = readFileSync(new URL('public/index.html', import.meta.url), 'utf8');

/**
 * What pages from this server may do (https://www.w3.org/TR/CSP3/), for helmet: load our own files, call our own
 * API and socket, and nothing else. No inline script but the import
 * map, no inline style, no picture from elsewhere, no frame around it:
 * text of a model cannot make the browser ask anybody anything. Scripts of the page cannot make elements of a string
 * (https://www.w3.org/TR/trusted-types/) but by way of DOMPurify, the one policy there is. For the whole server; a
 * page that needs more sets its own header.
 */
export const contentSecurityPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'", ...hashes(page)],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ['dompurify'],
  },
};

/** The sources that allow exactly this import map (https://www.w3.org/TR/CSP3/#grammardef-hash-source). */
function hashes(html: string): string[] {
  const map = IMPORT_MAP.exec(html)?.[1];
  return map === undefined ? [] : [`'sha256-${createHash('sha256').update(map).digest('base64')}'`];
}
