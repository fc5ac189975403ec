import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** What every key begins with, so that scanners of secrets find those that were let out. */
export const KEY_PREFIX = 'agl_';

/** Keys in any text: `agl_`, 32 random bytes in base 62 (43 characters), CRC-32 of those 43 in base 62 (6). */
export const KEYS_IN_TEXT = /agl_[0-9A-Za-z]{49}/g;

const KEY = /^agl_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const HINT_LENGTH = 4;

/** A new key, which nobody else has. */
export function newKeyText(): string {
  const secret = base62(BigInt(`0x${randomBytes(32).toString('hex')}`), 43);
  return `${KEY_PREFIX}${secret}${checksumOf(secret)}`;
}

/** Whether the text can be a key at all: a typing error or a cut is seen without asking the database. */
export function isKeyText(text: string): boolean {
  const [, secret, checksum] = KEY.exec(text) ?? [];
  return secret !== undefined && checksum === checksumOf(secret);
}

/** What is stored of a key. 256 random bits need no slow hash (OWASP ASVS 5.0 V11.4). */
export function keyHashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The end of the key, which is part of its checksum. */
export function keyHintOf(text: string): string {
  return text.slice(-HINT_LENGTH);
}

function checksumOf(secret: string): string {
  return base62(BigInt(crc32(secret)), 6);
}

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = DIGITS.charAt(Number(rest % 62n)) + text;
  return text;
}
