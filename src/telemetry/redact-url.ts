const SECRET = new Set(['ticket', 'access_token', 'token']);

/** The address as it may stand in a log: values of parameters that are credentials are left out. */
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
  if (end < 0 || !SECRET.has(decode(pair.slice(0, end)).toLowerCase())) return pair;
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
