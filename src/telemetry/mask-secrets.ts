const MASK = '[redacted]';

/** Names under which secrets travel as `name=value` (addresses, forms) or as a member of JSON. */
const NAMES =
  'ticket|password|passwd|secret|client_secret|token|access_token|refresh_token|id_token|api[_-]?key|x-api-key|authorization|proxy-authorization|cookie|set-cookie';

/**
 * What credentials look like, wherever they stand in a text. Each alternative begins with fixed letters, so a text
 * without any is passed over quickly; what is kept before the secret is one of the named groups.
 */
const SHAPES = [
  // API keys of this server (auth/api-key) and of the model's provider.
  String.raw`(?<key>\bagl_|\bsk-ant-)[\w-]{8,}`,
  // JWT, JWE: parts in base64url, the first a JSON object (RFC 7515 §3.1).
  String.raw`(?<![\w-])eyJ[\w-]{6,}(?:\.[\w-]*){2,4}`,
  // RFC 6750 §2.1, and the subprotocol of sockets. A word of prose has neither digits nor twenty letters.
  String.raw`(?<scheme>\b(?:[Bb]earer|BEARER|[Bb]asic|BASIC)(?:\.| +|%20|\+))(?=[\w.~+/=%-]*[\d_~+/=]|[\w.~+/=%-]{20})[\w.~+/=%-]{6,}`,
  // Cookies: ours by name, and every value that express-session has signed.
  String.raw`(?<cookie>\b(?:__Host-)?session=)[^\s;,"'\\&]+`,
  String.raw`\bs(?::|%3A)[\w-]{16,}\.[\w%+/=-]{20,}`,
  // The password of an address (RFC 3986 §3.2.1).
  String.raw`(?<address>:\/\/[^\s/:@"'\\]*:)[^\s/"'\\]+(?=@)`,
  String.raw`(?<query>[?&](?:${NAMES})=)[^\s&"'\\#]+`,
  // Members of JSON, and of JSON inside a text of JSON.
  String.raw`(?<member>"(?:${NAMES})":\s*")(?:[^"\\]|\\.)*(?=")`,
  String.raw`(?<inner>\\"(?:${NAMES})\\":\s*\\")[^"\\]*(?=\\")`,
];

const LEAST_LENGTH = 8;
/** A secret that is an everyday word would blacken every other line. */
const WORD = /^[a-z]+$/;

const known = new Set<string>();
let pattern = compile();

/**
 * The text with everything left out that looks like a credential: keys, tokens, cookies, passwords in addresses,
 * and the secrets of the configuration. For whatever leaves the process beside its answers: logs, and errors of
 * others that are shown on.
 */
export function maskSecrets(text: string): string {
  return text.replace(pattern, (_match, ...rest: unknown[]) => {
    const groups = rest.at(-1) as Record<string, string | undefined>;
    const kept = Object.values(groups).find((group) => group !== undefined) ?? '';
    return `${kept}${MASK}`;
  });
}

/** Secrets that have no shape of their own; short ones and plain words are passed over. */
export function rememberSecrets(values: readonly string[]): void {
  const before = known.size;
  for (const value of values) {
    if (value.length < LEAST_LENGTH || WORD.test(value)) continue;
    known.add(value);
    // As it stands in a line of JSON.
    known.add(JSON.stringify(value).slice(1, -1));
  }
  if (known.size > before) pattern = compile();
}

function compile(): RegExp {
  const literals = [...known].toSorted((a, b) => b.length - a.length).map(escape);
  return new RegExp([...literals, ...SHAPES].join('|'), 'g');
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
