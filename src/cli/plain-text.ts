/**
 * What a terminal may obey instead of showing: controls (ECMA-48) but tab and line feed, and the marks that turn the
 * direction of text.
 */
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text of a model or a tool, so that it is only shown. */
export function plainText(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** One line of at most so many characters. */
export function inOneLine(value: unknown, most = 2_000): string {
  const text = plainText(typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).replaceAll(
    '\n',
    '\\n',
  );
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length - most} characters more)`;
}
