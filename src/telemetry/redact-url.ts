/** Parameters of ours, which hold ids, times and words. */
const OPEN = new Set(
  'session_id run_id last_event_id follow limit cursor from to group_by tenant_id user_id actor_id action outcome target'.split(
    ' ',
  ),
);
/** Parameters that hold credentials whatever they look like: also those of an identity provider's answer. */
const SECRET =
  /^(ticket|.*token|code|state|nonce|password|.*secret|.*key|session|cookie|authorization|bearer|jwt)$/;
/** A value of a parameter that nobody knows may be a credential in the wrong place. */
const LONGEST = 16;

/** The address as it may stand in a log: values of parameters that are, or may be, credentials are left out. */
export function redactUrl(url: string): string {
  const start = url.indexOf('?');
  if (start < 0) return url;
  return (
    url.slice(0, start + 1) +
    url
      .slice(start + 1)
      .split('&')
      .map(redactPair)
      .join('&')
  );
}

function redactPair(pair: string): string {
  const end = pair.indexOf('=');
  if (end < 0) return pair.length > LONGEST ? '[redacted]' : pair;
  const name = decode(pair.slice(0, end)).toLowerCase();
  const isShort = pair.length - end - 1 <= LONGEST;
  if (OPEN.has(name) || (isShort && !SECRET.test(name))) return pair;
  return `${pair.slice(0, end)}=[redacted]`;
}

/** Names as the query parser sees them: `%74icket` and `ticket[]` are `ticket`. */
function decode(name: string): string {
  try {
    return decodeURIComponent(name).replace(/\[.*$/, '');
  } catch (error) {
    if (error instanceof URIError) return name;
    throw error;
  }
}
