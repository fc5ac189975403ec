import { ToolError } from './tool-error.js';
import { type AddressGuard, notPublic } from './address-guard.js';

/**
 * Reads an address that a model or a redirect names, relative to `base` if given. The URL parser (WHATWG) has
 * turned every notation of an IP address (0x7f000001, 2130706433, 127.1) into the usual one before it is checked.
 * Names are judged only by what they say: what they resolve to is checked when the socket connects.
 * @throws ToolError when it is not a web address that this server may fetch.
 */
export function publicUrl(text: string, guard: AddressGuard, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null)
    throw new ToolError('This is not a URL. Give a whole one, such as https://example.com/page.');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ToolError(`Only http and https can be fetched, not ${url.protocol}`);
  }
  if (url.username !== '' || url.password !== '')
    throw new ToolError('A URL with a user name or password is refused.');
  if (!isUsualPort(url.port))
    throw new ToolError(`Port ${url.port} is refused: only 80, 443 and those above 1023 are open.`);
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (!guard.allowsHost(host)) throw notPublic(host);
  url.hash = '';
  return url;
}

/** The URL parser leaves the port empty where it is the scheme's own. */
function isUsualPort(port: string): boolean {
  return port === '' || port === '80' || port === '443' || Number(port) > 1023;
}
