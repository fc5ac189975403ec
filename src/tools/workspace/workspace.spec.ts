import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sha256Of } from './text-file.js';
import { Workspace } from './workspace.js';

const ID = 'ses_01h455vb4pex5vsknk084sn02q';
const SIGNAL = new AbortController().signal;
const SECRET = 'the secret of somebody else';

let base: string;
let parent: string;
let top: string;
let outside: string;
let workspace: Workspace;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'agentline-workspace-'));
  parent = join(base, 'workspaces');
  top = join(parent, ID);
  outside = join(base, 'outside');
  mkdirSync(join(top, 'sub'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret.txt'), SECRET);
  workspace = new Workspace(parent, ID);
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

const read = (path: string) => workspace.read(path.split('/'), 1000, SIGNAL);
const write = (path: string, text: string, expected: string | null = null) =>
  workspace.write(path.split('/'), Buffer.from(text), expected, SIGNAL);
const openDescriptors = () => readdirSync('/proc/self/fd').length;
const namesIn = (folder: string) => readdirSync(folder).toSorted();

/** What stands in the workspace, and the path by which somebody tries to get through it. */
const TRICKS: [string, () => unknown, string][] = [
  ['a link to a file outside', () => symlinkSync(join(outside, 'secret.txt'), join(top, 'x')), 'x'],
  ['a relative link to a file outside', () => symlinkSync('../../outside/secret.txt', join(top, 'x')), 'x'],
  ['a link to a folder outside', () => symlinkSync(outside, join(top, 'x')), 'x/secret.txt'],
  ['a link to a folder outside, as a file', () => symlinkSync(outside, join(top, 'x')), 'x'],
  ['a link in the middle', () => symlinkSync('../../../outside', join(top, 'sub', 'x')), 'sub/x/secret.txt'],
  ['a link to the root', () => symlinkSync('/', join(top, 'x')), 'x/etc/passwd'],
  ['a link to /proc/self', () => symlinkSync('/proc/self', join(top, 'x')), 'x/environ'],
  ['a link to the parent', () => symlinkSync('..', join(top, 'x')), `x/${ID}2/secret.txt`],
  ['a link within the workspace', () => symlinkSync('sub', join(top, 'x')), 'x/a.txt'],
  ['a link that leads nowhere', () => symlinkSync(join(outside, 'new.txt'), join(top, 'x')), 'x'],
  ['a link to a folder that is not there', () => symlinkSync(join(outside, 'new'), join(top, 'x')), 'x/y'],
  ['a link to itself', () => symlinkSync('x', join(top, 'x')), 'x'],
  [
    'a chain of links',
    () => {
      symlinkSync(outside, join(top, 'y'));
      symlinkSync('y', join(top, 'x'));
    },
    'x/secret.txt',
  ],
  ['a hard link to a file outside', () => linkSync(join(outside, 'secret.txt'), join(top, 'x')), 'x'],
  ['a pipe', () => execFileSync('mkfifo', [join(top, 'x')]), 'x'],
  ['a folder where a file should be', () => mkdirSync(join(top, 'x')), 'x'],
  ['a file where a folder should be', () => writeFileSync(join(top, 'x'), 'text'), 'x/y'],
  [
    'a workspace that is a link',
    () => {
      rmSync(top, { recursive: true });
      symlinkSync(outside, top);
    },
    'secret.txt',
  ],
  [
    'a workspace that is a file',
    () => {
      rmSync(top, { recursive: true });
      writeFileSync(top, 'text');
    },
    'secret.txt',
  ],
];

describe('a workspace', () => {
  it.each(TRICKS)('is not left by %s', async (_what, set, path) => {
    set();
    await expect(read(path)).rejects.toThrow(/Workspaces hold plain files and folders only|not a folder/);
    await expect(write(path, 'written')).rejects.toThrow(
      /Workspaces hold plain files and folders only|not a folder/,
    );
    await expect(write(path, 'written', sha256Of(SECRET))).rejects.toThrow();
    await expect(workspace.remove(path.split('/'), sha256Of(SECRET), SIGNAL)).rejects.toThrow();
    expect(namesIn(outside)).toEqual(['secret.txt']);
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe(SECRET);
    expect(namesIn(base)).toEqual(['outside', 'workspaces']);
    if (statSync(top).isDirectory()) expect(namesIn(top).join()).not.toContain('.agentline');
  });

  it('is not left by a socket', async () => {
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(join(top, 'x'), resolve));
    try {
      await expect(read('x')).rejects.toThrow('is not a plain file');
      await expect(write('x', 'written')).rejects.toThrow('is not a plain file');
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('has nothing in common with a sibling of the same beginning', async () => {
    mkdirSync(`${top}2`);
    writeFileSync(`${top}2/secret.txt`, SECRET);
    expect(await read('secret.txt')).toBeUndefined();
    expect(await new Workspace(parent, `${ID}2`).read(['secret.txt'], 1000, SIGNAL)).toMatchObject({
      text: SECRET,
    });
  });

  it('tells upper from lower case', async () => {
    await write('A.txt', 'upper');
    expect(await read('a.txt')).toBeUndefined();
  });

  it('may be reached through a link that the operator has set', async () => {
    symlinkSync(parent, join(base, 'link'));
    const linked = new Workspace(join(base, 'link'), ID);
    await linked.write(['a.txt'], Buffer.from('text'), null, SIGNAL);
    expect(await read('a.txt')).toMatchObject({ text: 'text' });
  });

  it('does not follow folders that another process exchanges for links meanwhile', async () => {
    writeFileSync(join(top, 'sub', 'secret.txt'), 'inside');
    const swapper = spawn(process.execPath, ['-e', SWAP, join(top, 'sub'), join(base, 'rest'), outside]);
    const seen = new Set<string | undefined>();
    try {
      await once(swapper.stdout, 'data');
      for (let n = 0; n < 400; n += 1) {
        const file = await read('sub/secret.txt').catch(() => ({ text: 'refused' }));
        seen.add(file?.text);
        await write(`sub/new-${n}.txt`, 'written').catch(() => seen.add('refused'));
      }
    } finally {
      swapper.kill('SIGKILL');
      await once(swapper, 'close');
    }
    expect(seen).toContain('refused');
    expect(seen).not.toContain(SECRET);
    expect(namesIn(outside)).toEqual(['secret.txt']);
  });
});

/** Puts a link to a folder outside in the place of a folder and back, again and again. */
const SWAP = `
  const fs = require('node:fs');
  const [folder, rest, outside] = process.argv.slice(1);
  const attempt = (work) => { try { work(); } catch (error) { if (!error.code) throw error; } };
  console.log('begun');
  while (true) {
    attempt(() => fs.renameSync(folder, rest));
    attempt(() => fs.symlinkSync(outside, folder));
    attempt(() => fs.unlinkSync(folder));
    attempt(() => fs.rmSync(folder, { recursive: true, force: true }));
    attempt(() => fs.renameSync(rest, folder));
  }
`;

describe('the files of a workspace', () => {
  it('are read as they were written, to the byte', async () => {
    const text = '\ufeffzwei\r\nZeilen 😀';
    await write('new/folder/a.txt', text);
    expect(await read('new/folder/a.txt')).toEqual({
      text,
      sha256: sha256Of(text),
      bytes: Buffer.byteLength(text),
    });
    expect(readFileSync(join(top, 'new', 'folder', 'a.txt'), 'utf8')).toBe(text);
  });

  it('come into a workspace that had none, for the owner alone', async () => {
    rmSync(parent, { recursive: true });
    expect(await read('a.txt')).toBeUndefined();
    await write('a.txt', 'text');
    expect([parent, top, join(top, 'a.txt')].map((path) => statSync(path).mode & 0o777)).toEqual([
      0o700, 0o700, 0o600,
    ]);
  });

  it('keep their rights', async () => {
    writeFileSync(join(top, 'run.sh'), 'old');
    chmodSync(join(top, 'run.sh'), 0o4755);
    await write('run.sh', 'new', sha256Of('old'));
    expect(statSync(join(top, 'run.sh')).mode & 0o7777).toBe(0o755);
  });

  it.each([
    ['there is one where none was expected', null],
    ['it is another than expected', sha256Of('other')],
  ])('are not written when %s', async (_what, expected) => {
    writeFileSync(join(top, 'a.txt'), 'mine');
    await expect(write('a.txt', 'yours', expected)).rejects.toThrow('"a.txt" has changed at this moment');
    expect(readFileSync(join(top, 'a.txt'), 'utf8')).toBe('mine');
    expect(namesIn(top)).toEqual(['a.txt', 'sub']);
  });

  it('are not written when the one that was expected is gone', async () => {
    await expect(write('a.txt', 'yours', sha256Of('mine'))).rejects.toThrow('"a.txt" has changed');
    expect(namesIn(top)).toEqual(['sub']);
  });

  it('are not written after the signal', async () => {
    const aborted = AbortSignal.abort(new Error('stopped'));
    await expect(workspace.write(['a.txt'], Buffer.from('x'), null, aborted)).rejects.toThrow('stopped');
    expect(namesIn(top)).toEqual(['sub']);
  });

  it.each([
    ['no UTF-8', Buffer.from([0x61, 0xff, 0x62])],
    ['a cut character', Buffer.from([0xf0, 0x9f, 0x98])],
    ['a half surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['a NUL', Buffer.from('a\0b')],
  ])('are no text with %s', async (_what, bytes) => {
    writeFileSync(join(top, 'a.bin'), bytes);
    await expect(read('a.bin')).rejects.toThrow('"a.bin" is not a text in UTF-8');
  });

  it('are decoded over the ends of pieces', async () => {
    const text = 'a'.repeat(64 * 1024 - 1) + '😀'.repeat(40_000);
    writeFileSync(join(top, 'a.txt'), text);
    expect((await workspace.read(['a.txt'], 1_000_000, SIGNAL))?.text).toBe(text);
  });

  it('are not read above the limit', async () => {
    writeFileSync(join(top, 'a.txt'), 'x'.repeat(1001));
    await expect(read('a.txt')).rejects.toThrow('"a.txt" is larger than 1000 bytes.');
  });

  it('are removed with the folders that are empty then', async () => {
    await write('sub/one/two/a.txt', 'text');
    await write('sub/b.txt', 'text');
    await workspace.remove(['sub', 'one', 'two', 'a.txt'], sha256Of('text'), SIGNAL);
    expect(namesIn(join(top, 'sub'))).toEqual(['b.txt']);
    await expect(workspace.remove(['sub', 'b.txt'], sha256Of('other'), SIGNAL)).rejects.toThrow(
      'has changed',
    );
    expect(namesIn(join(top, 'sub'))).toEqual(['b.txt']);
  });

  it('leave no descriptor open, also where they are refused', async () => {
    symlinkSync(outside, join(top, 'x'));
    await write('a.txt', 'text');
    const before = openDescriptors();
    for (let n = 0; n < 50; n += 1) {
      await read('a.txt');
      await read('missing/a.txt');
      await read('x/y').catch(() => undefined);
      await read('a.txt/y').catch(() => undefined);
      await write('a.txt', 'text', 'bad').catch(() => undefined);
      await write('x/y', 'text').catch(() => undefined);
    }
    expect(openDescriptors()).toBeLessThan(before + 10);
  });
});
