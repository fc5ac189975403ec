const number = new Intl.NumberFormat('en');

/** `850 ms`, `1.4 s`, `2 min 5 s`. */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.floor((milliseconds % 60_000) / 1000)} s`;
}

/** `1,234 in · 56 out`, marked as about when the server had to estimate. */
export function tokens(usage) {
  const read = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const about = usage.estimated ? 'about ' : '';
  return `${about}${number.format(read)} tokens in · ${number.format(usage.output_tokens)} out`;
}

/** `$0.0021`; small sums keep two digits that say something. */
export function cost(usd) {
  return new Intl.NumberFormat('en', {
    style: 'currency',
    currency: 'USD',
    minimumFractionDigits: 2,
    maximumSignificantDigits: usd < 1 ? 2 : 6,
    roundingPriority: 'morePrecision',
  }).format(usd);
}

/** Today the time, else the day. */
export function when(time) {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  return new Intl.DateTimeFormat(undefined, today ? { timeStyle: 'short' } : { dateStyle: 'medium' }).format(
    date,
  );
}

/** Characters that change what is seen without being seen: marks of direction, zero width, tags. */
const INVISIBLE = /[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** JSON for a person who has to judge it: nothing in it is invisible. */
export function json(value, indent = 2) {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, null, indent) ?? '');
  return text.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
