/** What stands in a user's text and can become an argument. Taken from the front, so each serves one call. */
export interface Findings {
  text: string;
  urls: string[];
  expressions: string[];
  zones: string[];
  quoted: string[];
  numbers: number[];
}

const URLS = /\bhttps?:\/\/[^\s<>"'`]+/gi;
const DATES = /\b\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?/g;
const QUOTED = /"([^"]+)"|“([^”]+)”|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)/g;
const NUMBERS = /(?<![\w.])-?\d+(?:\.\d+)?(?![\w])/g;

const WORDS_OF_OPERATORS: [RegExp, string][] = [
  [/\b(?:multiplied by|times)\b|×/gi, '*'],
  [/\bdivided by\b|÷/gi, '/'],
  [/\bplus\b/gi, '+'],
  [/\bminus\b|−/gi, '-'],
  [/\bto the power of\b/gi, '^'],
  [/(?<=\d)\s*x\s*(?=\d)/gi, '*'],
  [/(?<=\d),(?=\d{3}\b)/g, ''],
];
const FUNCTIONS = 'sqrt|abs|sin|cos|tan|log10|log2|log|ln|exp|round|floor|ceil|min|max|pow';
const ARITHMETIC = new RegExp(
  `(?:\\d+(?:\\.\\d+)?|\\b(?:${FUNCTIONS})(?=\\s*\\()|\\bpi\\b|[-+*/^%(),]|\\s)+`,
  'gi',
);
const COMPUTES = new RegExp(
  `(?:\\d|\\)|pi)\\s*[-+*/^%]+\\s*[-(]*\\s*(?:\\d|pi|${FUNCTIONS})|(?:${FUNCTIONS})\\s*\\(`,
  'i',
);

/** Time zones by the city in their name: "new york" → America/New_York. */
const ZONES: ReadonlyMap<string, string> = new Map(
  Intl.supportedValuesOf('timeZone').map((zone) => [
    zone.split('/').at(-1)?.replaceAll('_', ' ').toLowerCase() ?? zone,
    zone,
  ]),
);

export function findingsOf(text: string): Findings {
  const urls = (text.match(URLS) ?? []).map((url) => url.replace(/[.,;:!?)\]}]+$/, ''));
  const prose = text.replace(URLS, ' ').replace(DATES, ' ');
  return {
    text,
    urls,
    expressions: expressionsOf(prose),
    zones: zonesOf(prose),
    quoted: Array.from(
      text.matchAll(QUOTED),
      (match) => match.slice(1).find((part) => part !== undefined) ?? '',
    ),
    numbers: (prose.match(NUMBERS) ?? []).map(Number),
  };
}

function expressionsOf(prose: string): string[] {
  const text = WORDS_OF_OPERATORS.reduce((text, [word, sign]) => text.replace(word, sign), prose);
  return (text.match(ARITHMETIC) ?? []).map(trimExpression).filter((expression) => COMPUTES.test(expression));
}

/** Drops what belongs to the sentence: operators and commas at the ends, parentheses without a partner. */
function trimExpression(run: string): string {
  let text = run.replace(/\s+/g, ' ').replace(/^[\s*/^%,)+]+|[\s*/^%,(+-]+$/g, '');
  while (count(text, '(') > count(text, ')') && text.startsWith('(')) text = text.slice(1).trim();
  while (count(text, ')') > count(text, '(') && text.endsWith(')')) text = text.slice(0, -1).trim();
  return text;
}

function count(text: string, sign: string): number {
  return text.split(sign).length - 1;
}

function zonesOf(prose: string): string[] {
  const named = prose.match(/\b[A-Z][A-Za-z]+\/[A-Z][A-Za-z_]+(?:\/[A-Z][A-Za-z_]+)?\b|\bUTC\b/g) ?? [];
  const words = prose.toLowerCase().match(/\p{L}+/gu) ?? [];
  const cities = words.flatMap((word, index) => {
    const zone =
      ZONES.get([word, words[index + 1], words[index + 2]].join(' ')) ??
      ZONES.get(`${word} ${words[index + 1] ?? ''}`) ??
      ZONES.get(word);
    return zone === undefined ? [] : [zone];
  });
  return [...new Set([...named, ...cities])];
}
