import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EnvironmentError } from '../errors/environment.js';
import { makeDataFolder } from './data-folder.js';

describe('the data folder', () => {
  let place: string;
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'agentline-'));
  });
  afterEach(() => rmSync(place, { recursive: true, force: true }));

  it('is made with those above it, for its owner alone, and found again', () => {
    const folder = join(place, 'a', 'b');
    makeDataFolder(folder);
    makeDataFolder(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it.each(['/proc/agentline', '/sys/agentline'].filter((path) => existsSync(join(path, '..'))))(
    'that cannot be made, like %s, is refused by the name of its variable',
    (folder) => {
      expect(() => makeDataFolder(folder)).toThrow(EnvironmentError);
      expect(() => makeDataFolder(folder)).toThrow(`DATA_DIR is "${folder}"`);
    },
  );

  it('that is a file is refused', () => {
    const file = join(place, 'file');
    writeFileSync(file, '');
    expect(() => makeDataFolder(file)).toThrow('DATA_DIR');
    expect(() => makeDataFolder(join(file, 'below'))).toThrow('DATA_DIR');
  });
});
