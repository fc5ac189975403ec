/** Where a row of the list is tried: a file, and the title or the row's number in a table of that file. */
export interface Proof {
  file: string;
  title: string;
}

export interface ListedRow {
  row: string;
  /** The answer that is right; where the contract leaves a choice, the one that was made. */
  expected: string;
  proofs: Proof[];
  /** What of the row is not tried, and why. */
  missing?: string;
}

const HERE = 'test/security';
const FILES = {
  cross: `${HERE}/cross-site.ts`,
  who: `${HERE}/credentials.ts`,
  own: `${HERE}/belongings.ts`,
  http: `${HERE}/requests.ts`,
  cursor: `${HERE}/cursors.ts`,
  body: `${HERE}/bodies.ts`,
  socket: `${HERE}/sockets.ts`,
  slow: 'test/faults/connections.e2e-spec.ts',
  canary: 'test/faults/canary.e2e-spec.ts',
  auth: 'test/auth.e2e-spec.ts',
  access: 'test/access.e2e-spec.ts',
  limits: 'test/limits.e2e-spec.ts',
  verifier: 'src/auth/jwt/access-token-verifier.spec.ts',
  page: 'test/browser/hostile-page.e2e-spec.ts',
  answers: 'test/browser/answers.e2e-spec.ts',
  decisions: 'test/browser/decisions.e2e-spec.ts',
  approvals: 'test/approvals.e2e-spec.ts',
  fetch: 'src/tools/fetch-url/page-fetcher.spec.ts',
  guard: 'src/tools/address-guard.spec.ts',
  mcpFetch: 'src/tools/mcp/guarded-fetch.spec.ts',
  mcpHostile: 'src/tools/mcp/hostile-server.spec.ts',
  mcp: 'test/mcp.e2e-spec.ts',
  redact: 'src/telemetry/redact-url.spec.ts',
  logins: 'src/auth/session/login-store.spec.ts',
  restorer: 'src/runs/log-restorer.service.spec.ts',
} as const;

/** A row with its places: `file` alone where the row stands in a table of that file, `file: title` elsewhere. */
function row(number: string, expected: string, ...places: string[]): ListedRow {
  const proofs = places.map((place) => {
    const colon = place.indexOf(': ');
    const name = (colon < 0 ? place : place.slice(0, colon)) as keyof typeof FILES;
    return { file: FILES[name], title: colon < 0 ? number : place.slice(colon + 2) };
  });
  return { row: number, expected, proofs };
}

/** Every row of the list of security cases and bad inputs, once. */
export const ROWS: ListedRow[] = [
  row('S1', '403', 'cross'),
  row('S2', '403', 'cross'),
  row('S3', '403', 'cross'),
  row('S4', '403', 'cross'),
  row('S5', '403, no event', 'cross'),
  row('S6', '200 and events', 'cross'),
  row('S7', '415, no run', 'cross'),
  row('S8', '403, no run', 'cross'),
  row('S9', 'no Access-Control-Allow-Origin', 'cross'),
  row('S10', '0 events', 'page: gets nothing and changes nothing by %s'),
  row(
    'S11',
    'a new id; the old one 401',
    'who',
    'auth: gives a new id whatever the browser had, and the old one is dead (S11)',
  ),
  row(
    'S12',
    '401; streams end, sockets 4401',
    'who',
    'access: end with their streams and sockets, by cookie and by token (S12, S14)',
  ),
  row(
    'S13',
    '401; a login ends, whatever is open',
    'auth: is over after its idle time and its absolute time (S13)',
    'logins: is never prolonged beyond seven days',
  ),
  row('S14', 'as logout', 'who', 'auth: lose all their logins when an administrator says so (S14)'),
  row(
    'S15',
    '401; in no log; a ticket once',
    'who',
    'canary: are in nothing that was answered, and in no line of the log',
    'redact: writes %s as %s',
  ),
  row('S16', '401', 'who'),
  row('S17', '401', 'who'),
  row('S18', '401', 'who'),
  row('S19', '401', 'who', 'verifier: are compared when they are set: %j'),
  row('S20', '401', 'who', 'verifier: is not taken with %s'),
  row('S21', '401', 'who'),
  row('S22', '403', 'who', 'access: is refused %s %s'),
  row('S23', '400', 'who'),
  row('S24', '404, equal to what does not exist', 'own'),
  row('S25', '404, equal to what does not exist', 'own'),
  row('S26', '200, reset, the own run', 'own'),
  row(
    'S27',
    '404, equal to what does not exist',
    'own',
    'approvals: is for its owner alone: to others it does not exist',
  ),
  row('S28', '400 that names the field', 'own'),
  row(
    'S29',
    'the next action 403',
    'who',
    'access: ends streams and sockets; the stream comes back to read, and may no more than that',
  ),
  row('S30', 'runs of their own', 'own'),
  row('S31', '413', 'body'),
  row(
    'S32',
    '429; an EventSource is told to come back',
    'limits: beyond the limit: an EventSource is told to come back, all others are refused',
  ),
  row('S33', '1008', 'socket'),
  row('S34', '1009', 'socket'),
  row('S35', '408 and closed within 10 s', 'slow'),
  row('S36', '401 before the upgrade; closed within 10 s', 'who', 'slow'),
  row(
    'S37',
    'refused, 0 packets',
    'guard: refuses %s (%s)',
    'fetch: sends no packet to a forbidden place: %s, asked for or redirected to',
    'mcpFetch: sends no packet to %s',
  ),
  row(
    'S38',
    'refused',
    'fetch: sends no packet to a forbidden place: %s, asked for or redirected to',
    'mcpHostile: redirects and keeps the method',
  ),
  row('S39', 'refused: no metadata is asked for', 'mcpHostile: asks for a sign-in by metadata'),
  row('S40', 'refused', 'mcpHostile: redirects to a script'),
  row('S41', 'no request, nothing run', 'answers: comes in at least 100 ways'),
  row(
    'S42',
    'equal to the byte',
    'approvals: is shown with its arguments and its end, and is made once it is approved',
    'decisions: shows the arguments that will be used, equal to the byte and with nothing in them hidden',
  ),
  row(
    'S43',
    'blocked until accepted',
    'mcp: are blocked when they change what they say of themselves, until an administrator accepts it (S43)',
  ),
  row(
    'S44',
    'each under the name of its server',
    'mcp: are offered, each under the name of its server (S44), although one server is silent',
  ),
  row('S45', 'data of one event', 'body'),
  row('S46', '405; ignored', 'http'),
  row(
    'S47',
    'in no limit and no log',
    'canary',
    'limits: from one address are refused after so many, whatever a header says of the address',
  ),
  row('S48', 'problem+json and nothing of the inside', 'canary', 'http'),
  row('S49', '401; 401; 404', 'canary'),
  row('S50', 'one line without control characters', 'canary'),
  {
    ...row('S51', '400 (501 for an unknown coding) and closed', 'http', 'slow'),
    missing: 'behind haproxy: the program is not part of what the tests need; nginx is tried',
  },
  row('B1', '400', 'http'),
  row('B2', '400', 'http'),
  row('B3', '400', 'http'),
  row('B4', '400; 431', 'http'),
  row('B5', '400', 'http'),
  row('B6', '404', 'http'),
  row('B7', '404', 'http'),
  row('B8', '404', 'http'),
  row('B9', '431', 'http'),
  row('B10', '431', 'http'),
  row('B11', '400', 'http'),
  row('B12', '406', 'http'),
  row('B13', '415', 'http'),
  row('B14', '417', 'http'),
  row('B15', '431', 'http'),
  row('B16', '400', 'http'),
  row('B17', '400; TRACE and CONNECT 405', 'http'),
  row('B18', 'the latest run from its first event', 'cursor'),
  row('B19', '200, reset, the whole run', 'cursor'),
  row(
    'B20',
    '200, reset, the whole run',
    'cursor',
    'restorer: gets them again from its messages, whole texts at once, under a new attempt',
  ),
  row('B21', '200, reset, the whole run', 'cursor'),
  row('B22', '200, reset, the whole run', 'cursor'),
  row('B23', '200, reset, the whole run', 'cursor'),
  row('B24', 'the header wins', 'cursor'),
  row('B25', '400', 'body'),
  row('B26', '400', 'body'),
  row('B27', '400; no prototype changed', 'body'),
  row('B28', 'the last wins', 'body'),
  row('B29', '413', 'body'),
  row('B30', '400', 'body'),
  row('B31', '400 with errors[].path', 'body'),
  row('B32', '400', 'body'),
  row('B33', 'kept as it is', 'body', 'answers: comes in at least 100 ways'),
  row('B34', 'counted in code points', 'body'),
  row('B35', '400', 'body'),
  row('B36', 'plain text', 'body'),
  row('B37', '400, no model asked', 'body'),
  row('B38', '1002', 'socket'),
  row('B39', '1002', 'socket'),
  row('B40', '1007', 'socket'),
  row('B41', '1009', 'socket'),
  row('B42', '1002', 'socket'),
  row('B43', '1002', 'socket'),
  row('B44', '1008', 'socket'),
  row('B45', '400', 'http'),
  row('B46', '405', 'http'),
  row('B47', '1003', 'socket'),
  row('B48', 'rejected; 1008', 'socket'),
  row('B49', 'rejected', 'socket'),
  row('B50', '1008', 'socket'),
  row('B51', '1008', 'socket'),
  row('B52', '408 and closed within 10 s', 'slow'),
];
