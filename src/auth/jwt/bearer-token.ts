import type { IncomingMessage } from 'node:http';
import { ExtractJwt } from 'passport-jwt';
import { AppError } from '../../errors/app-error.js';

const SUBPROTOCOL = 'bearer.';

const fromAuthorization = ExtractJwt.fromAuthHeaderAsBearerToken();

/** For browsers, whose sockets send no Authorization: `Sec-WebSocket-Protocol: agent.v1, bearer.<token>`. */
function fromSubprotocol({ headers }: Pick<IncomingMessage, 'headers'>): string | null {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const tokens = offered.filter((name) => name.startsWith(SUBPROTOCOL));
  if (tokens.length > 1) throw severalTokens();
  return tokens[0]?.slice(SUBPROTOCOL.length) ?? null;
}

/**
 * The request's access token (RFC 6750 §2.1), null without. Other schemes than Bearer are not looked at.
 * @throws AppError `invalid_request` when there are several: which of them counts is not to be guessed.
 */
export function bearerToken(request: IncomingMessage): string | null {
  const { rawHeaders } = request;
  const count = rawHeaders.filter((text, i) => i % 2 === 0 && /^authorization$/i.test(text)).length;
  if (count > 1) throw severalTokens();
  const header = fromAuthorization(request as Parameters<typeof fromAuthorization>[0]);
  const subprotocol = fromSubprotocol(request);
  if (header !== null && subprotocol !== null && header !== subprotocol) throw severalTokens();
  return header ?? subprotocol;
}

function severalTokens(): AppError {
  return new AppError('invalid_request', 'The request has several access tokens: send one.');
}
