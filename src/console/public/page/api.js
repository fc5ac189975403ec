/** The server refused, or could not be reached (status 0). `code` is that of the problem details. */
export class ApiError extends Error {
  constructor(status, code, message, options) {
    super(message, options);
    this.status = status;
    this.code = code;
  }
}

/**
 * One call of the API; the cookie goes along by itself.
 * @returns {Promise<any>} the body, or undefined when there is none
 * @throws {ApiError}
 */
export async function call(method, path, body, headers = {}) {
  const response = await send(method, path, body, headers);
  const text = await response.text();
  const value = text === '' ? undefined : parse(text);
  if (response.ok) return value;
  const message = value?.detail ?? value?.title ?? `The server answered ${response.status}.`;
  throw new ApiError(response.status, value?.code ?? 'unknown', withFields(message, value?.errors));
}

async function send(method, path, body, headers) {
  const json = { 'Content-Type': 'application/json', ...headers };
  const init = method === 'GET' ? { headers } : { method, headers: json, body: JSON.stringify(body) };
  try {
    return await fetch(path, init);
  } catch (cause) {
    throw new ApiError(0, 'unreachable', 'The server cannot be reached. Try again in a moment.', { cause });
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    // Something between us and the server answered, in words of its own.
    return undefined;
  }
}

function withFields(message, errors = []) {
  return [message, ...errors.map(({ path, message }) => (path ? `${path}: ${message}` : message))].join(' ');
}

/** A key that names one wish: the same for every repetition of the call (`Idempotency-Key`). */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
