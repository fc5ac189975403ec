import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { developmentSecrets } from './development-secrets.js';

describe('The secrets of a development server', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'agentline-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('are generated once and survive a restart', () => {
    const first = developmentSecrets(folder);

    expect(developmentSecrets(folder)).toEqual(first);
    expect(new Set(Object.values(first)).size).toBe(3);
    expect(first.session_secret).toMatch(/^[\w-]{64}$/);
    expect(first.jwt_secret).toMatch(/^[\w-]{64}$/);
    expect(first.admin_password).toMatch(/^[\w-]{20}$/);
  });

  it('differ from server to server', () => {
    expect(developmentSecrets(join(folder, 'a'))).not.toEqual(developmentSecrets(join(folder, 'b')));
  });

  it('are in a file for its owner only, in a folder for its owner only, and leave nothing else', () => {
    const data = join(folder, 'new');
    developmentSecrets(data);

    expect(statSync(join(data, 'development.json')).mode & 0o777).toBe(0o600);
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(readdirSync(data)).toEqual(['development.json']);
  });

  it('close a file that was left open to others', () => {
    developmentSecrets(folder);
    chmodSync(join(folder, 'development.json'), 0o644);

    developmentSecrets(folder);

    expect(statSync(join(folder, 'development.json')).mode & 0o777).toBe(0o600);
  });

  it.each(['', '{', '{"session_secret":"short"}', 'null'])('refuse a damaged file: %j', (text) => {
    writeFileSync(join(folder, 'development.json'), text);

    expect(() => developmentSecrets(folder)).toThrow('which is damaged: delete it');
  });

  it('name the variable when the folder cannot be written to', () => {
    writeFileSync(join(folder, 'file'), '');

    expect(() => developmentSecrets(join(folder, 'file'))).toThrow(
      /^DATA_DIR is ".*file", but takes a folder/,
    );
  });
});
