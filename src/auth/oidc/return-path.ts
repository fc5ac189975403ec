/** Visible ASCII without the backslash, which browsers take for a slash. */
const PATH = /^\/[\x21-\x5b\x5d-\x7e]*$/;
const MAX_LENGTH = 2_000;
const HERE = 'https://here.invalid';

/** Whether it is the path of a page of this origin, with query and fragment, and cannot become another address. */
export function isReturnPath(text: string): boolean {
  if (text.length > MAX_LENGTH || !PATH.test(text) || text.startsWith('//')) return false;
  return URL.parse(text, HERE)?.origin === HERE;
}
