import { AppError } from '../../errors/app-error.js';

/** Words that everybody would try first here, besides the own address (OWASP ASVS 5.0 6.1.2). */
const NEAR_AT_HAND = ['agentline', 'anthropic', 'claude'];
const ENDING = /[\d!?.#@_-]*$/;

/**
 * What is wrong with a password that somebody chooses: it is among the 18,000 most common ones of eight or more
 * characters, or a word that is near at hand with a few digits after it (OWASP ASVS 5.0 6.2.4, 6.2.11). Any
 * characters may be in it, and none have to be.
 */
export async function passwordFault(password: string, email: string | null): Promise<string | undefined> {
  const text = password.toLowerCase();
  const words = [...NEAR_AT_HAND, ...partsOf(email)];
  if (words.includes(text.replace(ENDING, '')))
    return 'The password is too near at hand: choose another one.';
  if ((await commonPasswords()).has(text))
    return 'The password is one of the most common: choose another one.';
  return undefined;
}

/** @throws AppError `invalid_request` at `path` of the body, for a password that everybody would guess. */
export async function requireGoodPassword(
  path: string,
  password: string,
  email: string | null,
): Promise<void> {
  const message = await passwordFault(password, email);
  if (message !== undefined) throw new AppError('invalid_request', message, { errors: [{ path, message }] });
}

/** `ada.lovelace@example.com`: the whole, what stands before the `@`, the names in it, and the organisation's. */
function partsOf(email: string | null): string[] {
  if (email === null) return [];
  const [local = '', host = ''] = email.toLowerCase().split('@');
  const names = [email.toLowerCase(), local, host, ...local.split(/[._+-]/), ...host.split('.')];
  return names.filter((name) => name.length >= 3);
}

let common: Promise<ReadonlySet<string>> | undefined;

/** Two megabytes that few processes ever need. */
function commonPasswords(): Promise<ReadonlySet<string>> {
  common ??= import('@zxcvbn-ts/language-common').then(
    ({ dictionary }) => new Set(dictionary['passwords-common'].filter(({ length }) => length >= 8)),
  );
  return common;
}
