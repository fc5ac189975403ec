import { describe, expect, it } from '@jest/globals';
import { isKeyText, keyHashOf, keyHintOf, KEYS_IN_TEXT, newKeyText } from './key-text.js';

const KEY = 'agl_0000000000000000000000000000000000000000000';

describe('The text of a key', () => {
  it('is prefix, 43 characters of secret and 6 of checksum, another one each time', () => {
    const keys = Array.from({ length: 200 }, newKeyText);

    expect(new Set(keys).size).toBe(200);
    for (const key of keys) expect(key).toMatch(/^agl_[0-9A-Za-z]{49}$/);
    expect(keys.every(isKeyText)).toBe(true);
  });

  it('carries the CRC-32 of its secret in base 62', () => {
    // The CRC-32 of 43 characters `0` is 2018072207.
    expect(isKeyText(`${KEY}2CZclj`)).toBe(true);
    expect(isKeyText(`${KEY}2CZclk`)).toBe(false);
  });

  it('is no key with another character, place, prefix or length', () => {
    const key = newKeyText();
    const other = key[10] === 'x' ? 'y' : 'x';
    const swapped = `agl_${key.slice(24)}${key.slice(4, 24)}`;

    expect(isKeyText(key.slice(0, 10) + other + key.slice(11))).toBe(false);
    expect(isKeyText(swapped)).toBe(false);
    for (const text of ['', 'agl_', key.slice(1), key.slice(0, -1), `${key}0`, `${key}\n`, ` ${key}`]) {
      expect(isKeyText(text)).toBe(false);
    }
    expect(isKeyText(key.replace('agl_', 'AGL_'))).toBe(false);
  });

  it('is stored as its SHA-256, and told apart by its end', () => {
    expect(keyHashOf('agl_abc')).toBe('10b15f870f7c02735304f26c8c2e57712affb61f7cbc5ca06195b4752e394839');
    expect(keyHintOf(`${KEY}2CZclj`)).toBe('Zclj');
  });

  it('is found in a line of anything', () => {
    const key = newKeyText();

    expect(`{"authorization":"Bearer ${key}"}`.replaceAll(KEYS_IN_TEXT, '[key]')).toBe(
      '{"authorization":"Bearer [key]"}',
    );
  });
});
