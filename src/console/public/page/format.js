const number = new Intl.NumberFormat('en');

/** `850 ms`, `1.4 s`, `2 min 5 s`. */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.floor((milliseconds % 60_000) / 1000)} s`;
}

/** `1,234`. */
export function count(value) {
  return number.format(value);
}

/** `950 B`, `1.4 KB`. */
export function bytes(size) {
  if (size < 1000) return `${size} B`;
  return size < 1_000_000 ? `${(size / 1000).toFixed(1)} KB` : `${(size / 1_000_000).toFixed(1)} MB`;
}

/** A moment within something, to the thousandth of a second: `3.104`, `2:03.104`. */
export function moment(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  const seconds = ((milliseconds % 60_000) / 1000).toFixed(3);
  return minutes === 0 ? seconds : `${minutes}:${seconds.padStart(6, '0')}`;
}

/** All tokens that the model was given. */
export function tokensIn(usage) {
  return usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
}

/** `1,234 tokens in · 56 out`, marked as about when the server had to estimate. */
export function tokens(usage) {
  const about = usage.estimated ? 'about ' : '';
  return `${about}${count(tokensIn(usage))} tokens in · ${count(usage.output_tokens)} out`;
}

/** `$0.0021`; small sums keep two digits that say something. */
export function cost(usd) {
  const digits = usd > 0 && usd < 1 ? { minimumSignificantDigits: 2, maximumSignificantDigits: 2 } : {};
  return new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', ...digits }).format(usd);
}

/** Today the time, else the day. */
export function when(time) {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  return new Intl.DateTimeFormat(undefined, today ? { timeStyle: 'short' } : { dateStyle: 'medium' }).format(
    date,
  );
}

/**
 * Characters that are not seen and change what is: marks of direction, zero width, tags, fillers, controls
 * (Unicode: Default_Ignorable_Code_Point, Bidi_Control, Cc, line separators, annotations, the blank Braille cell).
 */
const HIDDEN =
  /[[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cc}\p{Zl}\p{Zp}\u2800\ufff9-\ufffb]--[\t\n\r]]+/v;

/** Where such characters belong: emoji of several parts, and a joiner within a word of a script that joins letters. */
const JOINING =
  'Arabic Syriac Mongolian Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Khmer Myanmar'.replace(
    /\w+ ?/g,
    (script) => `\\p{Script=${script.trim()}}`,
  );
const RIGHTFUL = `\\p{RGI_Emoji}|(?<=[${JOINING}])[\\u200c\\u200d](?=[${JOINING}])`;
const EITHER = new RegExp(`${RIGHTFUL}|(?<hidden>${HIDDEN.source})`, 'gv');

/** Only there they can be: the look at everything would take long. */
const BEYOND_ASCII = /[0-9#*]?[^\t\n\r -~]+/g;

/** Of a run of hidden characters so many are named. */
const NAMED = 8;

const codeOf = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Text for a person: what is hidden in it is named in its place, as `⟨U+202E⟩`. */
export function reveal(text) {
  if (!HIDDEN.test(text)) return text;
  return text.replace(BEYOND_ASCII, (part) =>
    part.replace(EITHER, (match, ...rest) => (rest.at(-1).hidden === undefined ? match : nameOf(match))),
  );
}

function nameOf(run) {
  const characters = Array.from(run);
  const left = characters.length - NAMED;
  const names = characters.slice(0, NAMED).map(codeOf);
  return `⟨${names.join(' ')}${left > 0 ? ` and ${left} more` : ''}⟩`;
}

/** Beside what is hidden: spaces that are none, what has no sign of its own, halves of characters. */
const UNSEEN_IN_JSON = new RegExp(
  `${HIDDEN.source.replace(/\+$/, '')}|[[\\p{White_Space}\\p{Co}\\p{Cn}\\p{Cs}\\t\\r]--[ \\n]]`,
  'gv',
);

/**
 * A value for a person who has to judge it: JSON (RFC 8259) that means exactly the same, with every character
 * in it that is not seen written as `\uXXXX`. A string stands as text.
 */
export function json(value, indent = 2) {
  return typeof value === 'string' ? reveal(value) : exactJson(value, indent);
}

/** As `json`, and a string as JSON too. */
export function exactJson(value, indent = 2) {
  const text = JSON.stringify(value, null, indent) ?? '';
  return text.replace(UNSEEN_IN_JSON, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
