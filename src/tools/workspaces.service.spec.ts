import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../test/support/databases.js';
import type { Database } from '../database/database.js';
import { newId } from '../database/ids.js';
import { WorkspaceFiles } from './workspace/workspace-files.service.js';
import { WorkspaceFilesTool } from './workspace/workspace-files.tool.js';
import { WorkspaceSearchTool } from './workspace/workspace-search.tool.js';
import { WorkspaceRepository } from './workspace/workspace.repository.js';
import type { ToolContext } from './tool.js';
import { type FileDifference, Workspaces } from './workspaces.service.js';

let database: Database;
let base: string;
let folder: string;
let session: string;
let node: Node;

/** One process of the server, as far as workspaces go. */
class Node {
  readonly workspaces: Workspaces;
  private readonly files: WorkspaceFiles;
  private readonly tool: WorkspaceFilesTool;
  private readonly searches: WorkspaceSearchTool;

  constructor(records = new WorkspaceRepository(database), isChosen = false) {
    const config = { folder, isChosen };
    this.files = new WorkspaceFiles(config, records);
    this.tool = new WorkspaceFilesTool(this.files);
    this.searches = new WorkspaceSearchTool(this.files);
    this.workspaces = new Workspaces(config, this.files, records, database);
  }

  read(path: string, { run = 'run_1', offset = 1, limit = 2000, sessionId = session } = {}) {
    return this.tool.read({ path, offset, limit }, contextOf(run, sessionId));
  }

  write(path: string, content: string, run = 'run_1', sessionId = session) {
    return this.tool.write({ path, content }, contextOf(run, sessionId));
  }

  edit(path: string, old_string: string, new_string: string, run = 'run_1') {
    return this.tool.edit({ path, edits: [{ old_string, new_string }] }, contextOf(run));
  }

  list(options: Partial<Parameters<WorkspaceSearchTool['list']>[0]> = {}) {
    const defaults = { path: '.', recursive: false, include_hidden: false, max_results: 200 };
    return this.searches.list({ ...defaults, ...options }, contextOf('run_1'));
  }

  grep(pattern: string, options: Partial<Parameters<WorkspaceSearchTool['grep']>[0]> = {}) {
    const flags = { ignore_case: false, multiline: false, include_hidden: false };
    const defaults = { path: '.', ...flags, max_results: 100 };
    return this.searches.grep({ pattern, ...defaults, ...options }, contextOf('run_1'));
  }

  async differences(run: string): Promise<FileDifference[]> {
    const files: FileDifference[] = [];
    for await (const file of this.workspaces.differences({ id: run, sessionId: session })) files.push(file);
    return files;
  }

  revert(run: string, mayBegin = () => Promise.resolve()) {
    return this.workspaces.revert({ id: run, sessionId: session }, mayBegin);
  }
}

function contextOf(runId: string, sessionId = session): ToolContext {
  return {
    principal: { userId: 'ada', tenantId: 'acme', email: null, roles: [] },
    sessionId,
    runId,
    toolCallId: 'toolu_1',
    idempotencyKey: `${runId}.toolu_1`,
    signal: new AbortController().signal,
    startAgent: () => Promise.reject(new Error('no agent')),
  };
}

/** A process that dies in the middle of a change. */
class DyingRecords extends WorkspaceRepository {
  constructor(private readonly at: 'before the file' | 'after the file') {
    super(database);
  }

  override async beginChange(...args: Parameters<WorkspaceRepository['beginChange']>): Promise<void> {
    await super.beginChange(...args);
    if (this.at === 'before the file') throw new Error('killed');
  }

  override async finishChange(...args: Parameters<WorkspaceRepository['finishChange']>): Promise<void> {
    if (this.at === 'after the file') throw new Error('killed');
    await super.finishChange(...args);
  }
}

const onDisk = (path: string) => join(folder, session, path);

/** Somebody else puts a file into the workspace. */
function put(path: string, content: string | Buffer): void {
  mkdirSync(dirname(onDisk(path)), { recursive: true });
  writeFileSync(onDisk(path), content);
}

const textOf = (path: string) => (existsSync(onDisk(path)) ? readFileSync(onDisk(path), 'utf8') : null);

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'agentline-workspaces-'));
  folder = join(base, 'workspaces');
  session = newId('ses');
  database = await openSqlite();
  node = new Node();
});

afterEach(async () => {
  await database.close();
  rmSync(base, { recursive: true, force: true });
});

describe('read_file', () => {
  it('shows lines with their numbers, and where to read on', async () => {
    put('a.txt', 'one\ntwo\nthree\n');
    expect(await node.read('a.txt')).toEqual({
      path: 'a.txt',
      text: '1\tone\n2\ttwo\n3\tthree',
      next_offset: null,
    });
    expect(await node.read('a.txt', { offset: 2, limit: 1 })).toMatchObject({
      text: '2\ttwo',
      next_offset: 3,
    });
    expect(await node.read('a.txt', { offset: 3 })).toMatchObject({ text: '3\tthree', next_offset: null });
    await expect(node.read('a.txt', { offset: 4 })).rejects.toThrow('The file has less than 4 lines.');
  });

  it('shows an empty file, and a last line without an end', async () => {
    put('empty.txt', '');
    put('a.txt', 'one\n\ntwo');
    expect(await node.read('empty.txt')).toMatchObject({ text: '1\t', next_offset: null });
    expect(await node.read('a.txt')).toMatchObject({ text: '1\tone\n2\t\n3\ttwo' });
  });

  it('cuts long lines, and ends after 2,000 lines or some 60,000 bytes', async () => {
    put('long.txt', 'x'.repeat(2001));
    put('many.txt', 'x\n'.repeat(3000));
    put('wide.txt', `${'é'.repeat(1000)}\n`.repeat(100));
    expect(await node.read('long.txt')).toMatchObject({ text: `1\t${'x'.repeat(2000)}… (2001 characters)` });
    expect(await node.read('many.txt')).toMatchObject({ next_offset: 2001 });
    const wide = await node.read('wide.txt');
    expect(wide.next_offset).toBe(31);
    expect(await node.read('wide.txt', { offset: 100 })).toMatchObject({ next_offset: null });
  });

  it.each<[string, string, () => unknown, string]>([
    ['a file that is not there', 'b.txt', () => undefined, 'There is no file "b.txt" in the workspace.'],
    [
      'a file of more than 10 MB',
      'a.txt',
      () => put('a.txt', 'x'.repeat(10_000_001)),
      'larger than 10000000 bytes',
    ],
    ['what is no text', 'b.bin', () => put('b.bin', Buffer.from([0xff, 0xfe])), 'is not a text in UTF-8'],
    ['a link', 'b.txt', () => symlinkSync('a.txt', onDisk('b.txt')), 'is a link'],
    ['a hard link', 'b.txt', () => linkSync(onDisk('a.txt'), onDisk('b.txt')), 'has a second name'],
    ['a folder', 'sub', () => mkdirSync(onDisk('sub')), 'is a folder'],
    ['the workspace itself', '.', () => undefined, 'names the workspace itself'],
    ['a place outside', '../x', () => undefined, 'leaves the workspace'],
  ])('refuses %s', async (_what, path, set, message) => {
    put('a.txt', 'text');
    set();
    await expect(node.read(path)).rejects.toThrow(new RegExp(message));
  });

  it('works in a session that has no workspace yet', async () => {
    await expect(node.read('a/b.txt')).rejects.toThrow('There is no file "a/b.txt" in the workspace.');
    expect(existsSync(folder)).toBe(false);
  });
});

describe('write_file', () => {
  it('makes a file with its folders, and changes what it has made', async () => {
    expect(await node.write('src/a.txt', 'one')).toEqual({ path: 'src/a.txt', status: 'created', bytes: 3 });
    expect(await node.write('./src/a.txt', 'zwö')).toEqual({
      path: 'src/a.txt',
      status: 'changed',
      bytes: 4,
    });
    expect(textOf('src/a.txt')).toBe('zwö');
  });

  it('changes nothing that was not read, or has changed since', async () => {
    put('a.txt', 'one');
    await expect(node.write('a.txt', 'two')).rejects.toThrow('"a.txt" exists: read it with read_file first.');
    await node.read('a.txt');
    put('a.txt', 'other');
    await expect(node.write('a.txt', 'two')).rejects.toThrow('"a.txt" has changed since it was read');
    expect(textOf('a.txt')).toBe('other');
    await node.read('a.txt');
    expect((await node.write('a.txt', 'two')).status).toBe('changed');
  });

  it('does not count what another session has read', async () => {
    put('a.txt', 'one');
    const other = newId('ses');
    mkdirSync(join(folder, other));
    writeFileSync(join(folder, other, 'a.txt'), 'one');
    await node.read('a.txt', { sessionId: other });
    await expect(node.write('a.txt', 'two')).rejects.toThrow('read it with read_file first');
  });

  it.each(['before the file', 'after the file'] as const)(
    'is done once when the process dies %s and the call comes again',
    async (at) => {
      put('a.txt', 'one');
      await node.read('a.txt');
      await expect(new Node(new DyingRecords(at)).write('a.txt', 'two')).rejects.toThrow('killed');
      expect(textOf('a.txt')).toBe(at === 'before the file' ? 'one' : 'two');

      const status = at === 'before the file' ? 'changed' : 'unchanged';
      expect((await new Node().write('a.txt', 'two')).status).toBe(status);
      expect(textOf('a.txt')).toBe('two');
      expect((await new Node().write('a.txt', 'three')).status).toBe('changed');
      expect(await node.differences('run_1')).toEqual([
        { path: 'a.txt', before: 'one', after: 'three', isChangedSince: false },
      ]);
    },
  );

  it.each([
    ['a NUL', 'a\0b', 'is not a text'],
    ['half a character', 'a\ud800', 'is not a text'],
    ['more than 1 MB', 'é'.repeat(500_001), 'with 1000000 bytes at most'],
  ])('refuses %s', async (_what, content, message) => {
    await expect(node.write('a.txt', content)).rejects.toThrow(message);
    expect(existsSync(folder)).toBe(false);
  });

  it('refuses to change a file that is larger than it could write', async () => {
    put('a.txt', 'x'.repeat(1_000_001));
    await node.read('a.txt');
    await expect(node.write('a.txt', 'x')).rejects.toThrow('is larger than 1000000 bytes');
  });

  it('makes calls on one file wait for each other', async () => {
    await node.write('a.txt', '0');
    await Promise.all(Array.from({ length: 20 }, (_, n) => node.edit('a.txt', `${n}`, `${n + 1}`)));
    expect(textOf('a.txt')).toBe('20');
  });

  it('keeps to 100 MB and 10,000 files, whoever has put them there', async () => {
    put('a.txt', 'x');
    truncateSync(onDisk('a.txt'), 99_999_990);
    await node.write('b.txt', '0123456789'.slice(0, 9));
    await expect(node.write('c.txt', '01')).rejects.toThrow('The workspace holds 100000000 bytes at most');
    expect((await node.write('b.txt', '')).status).toBe('changed');
    for (let n = 0; n < 9_998; n += 1) writeFileSync(onDisk(`n${n}`), '');
    const later = new Node();
    await expect(later.write('c.txt', '')).rejects.toThrow(
      'The workspace holds 10000 files and folders at most.',
    );
    expect((await later.write('b.txt', 'x')).status).toBe('changed');
  }, 60_000);

  it('clears away what a process that died has left behind', async () => {
    put('sub/.agentline-dead', 'half');
    put('sub/.agentline-alive', 'half');
    utimesSync(onDisk('sub/.agentline-dead'), 0, 0);
    await node.write('a.txt', 'text');
    expect(readdirSync(onDisk('sub'))).toEqual(['.agentline-alive']);
    expect(await node.list({ recursive: true, include_hidden: true })).toMatchObject({
      entries: [{ path: 'a.txt' }, { path: 'sub' }],
    });
  });
});

describe('edit_file', () => {
  it('replaces text in a file that was read', async () => {
    put('a.txt', 'one two');
    await expect(node.edit('a.txt', 'two', 'three')).rejects.toThrow('read it with read_file first');
    await node.read('a.txt');
    expect(await node.edit('a.txt', 'two', 'three')).toEqual({
      path: 'a.txt',
      status: 'changed',
      bytes: 9,
      replacements: 1,
    });
    await expect(node.edit('a.txt', 'two', 'x')).rejects.toThrow('old_string is not in the file');
    await expect(node.edit('b.txt', 'two', 'x')).rejects.toThrow('There is no file "b.txt"');
    expect(textOf('a.txt')).toBe('one three');
  });
});

describe('list_files', () => {
  beforeEach(() => {
    put('b.txt', 'text');
    put('sub/deep/c.txt', 'x');
    put('.hidden/d.txt', 'x');
    symlinkSync('/etc', onDisk('link'));
    symlinkSync(onDisk('sub'), onDisk('sub/loop'));
    put('a\\b', 'x');
  });

  it('lists a folder by name, without what is hidden, links, and what no path names', async () => {
    expect(await node.list()).toEqual({
      entries: [
        { path: 'b.txt', type: 'file', bytes: 4 },
        { path: 'sub', type: 'folder' },
      ],
      truncated: false,
    });
  });

  it('goes into folders, not through links', async () => {
    const { entries } = await node.list({ recursive: true, include_hidden: true });
    expect(entries.map(({ path }) => path)).toEqual([
      '.hidden',
      '.hidden/d.txt',
      'b.txt',
      'sub',
      'sub/deep',
      'sub/deep/c.txt',
    ]);
    expect(await node.list({ path: 'sub/deep' })).toMatchObject({ entries: [{ path: 'sub/deep/c.txt' }] });
    expect(await node.list({ path: 'b.txt' })).toMatchObject({ entries: [{ path: 'b.txt', bytes: 4 }] });
  });

  it('says when there is more', async () => {
    expect(await node.list({ max_results: 1 })).toMatchObject({
      entries: [{ path: 'b.txt' }],
      truncated: true,
    });
    expect((await node.list({ max_results: 2 })).truncated).toBe(false);
  });

  it.each([
    ['link', '"link" is a link'],
    ['sub/loop', 'is a link'],
    ['nowhere', 'There is no "nowhere" in the workspace.'],
    ['nowhere/else', 'There is no "nowhere/else"'],
    ['../..', 'leaves the workspace'],
  ])('refuses %s', async (path, message) => {
    await expect(node.list({ path })).rejects.toThrow(message);
  });

  it('finds nothing in a session that has no workspace yet', async () => {
    session = newId('ses');
    expect(await node.list()).toEqual({ entries: [], truncated: false });
  });
});

describe('grep', () => {
  beforeEach(() => {
    put('a.ts', 'const needle = 1;\n// Needle\n');
    put('sub/b.md', 'a needle\n');
    put('.hidden/c.ts', 'needle');
    put('d.bin', Buffer.from('needle\0'));
    put('large.txt', `needle${'x'.repeat(2_000_000)}`);
    symlinkSync('/etc/passwd', onDisk('e.ts'));
  });

  it('finds lines in the text files of the workspace', async () => {
    expect(await node.grep('needle')).toEqual({
      matches: [
        { path: 'a.ts', line: 1, text: 'const needle = 1;' },
        { path: 'sub/b.md', line: 1, text: 'a needle' },
      ],
      truncated: false,
    });
  });

  it.each<[string, Parameters<Node['grep']>[1], string[]]>([
    ['in any case', { ignore_case: true }, ['a.ts:1', 'a.ts:2', 'sub/b.md:1']],
    ['by glob', { glob: '*.md' }, ['sub/b.md:1']],
    ['by a glob of paths', { glob: 'sub/**' }, ['sub/b.md:1']],
    ['in a folder', { path: 'sub' }, ['sub/b.md:1']],
    ['in a file', { path: 'a.ts' }, ['a.ts:1']],
    ['by path and glob', { path: 'sub/b.md', glob: '*.ts' }, []],
    ['in hidden files', { include_hidden: true, glob: '*.ts' }, ['.hidden/c.ts:1', 'a.ts:1']],
  ])('looks %s', async (_what, options, places) => {
    const { matches } = await node.grep('needle', options);
    expect(matches.map(({ path, line }) => `${path}:${line}`)).toEqual(places);
  });

  it('says when there is more', async () => {
    expect(await node.grep('needle', { max_results: 1 })).toMatchObject({
      matches: [{ path: 'a.ts' }],
      truncated: true,
    });
    expect((await node.grep('needle', { max_results: 2 })).truncated).toBe(false);
  });

  it('does not look through links', async () => {
    expect(await node.grep('root', { ignore_case: true })).toEqual({ matches: [], truncated: false });
    await expect(node.grep('root', { path: 'e.ts' })).rejects.toThrow('is a link');
  });
});

describe('the differences of a run', () => {
  it('are those between before its first change and after its last', async () => {
    put('a.txt', 'one');
    await node.read('a.txt');
    await node.write('a.txt', 'two');
    await node.write('new.txt', 'new');
    await node.write('a.txt', 'three');
    expect(await node.differences('run_1')).toEqual([
      { path: 'a.txt', before: 'one', after: 'three', isChangedSince: false },
      { path: 'new.txt', before: null, after: 'new', isChangedSince: false },
    ]);
    expect(await node.differences('run_2')).toEqual([]);
  });

  it('leave out what it has undone itself', async () => {
    put('a.txt', 'one');
    await node.read('a.txt');
    await node.write('a.txt', 'two');
    await node.write('a.txt', 'one');
    expect(await node.differences('run_1')).toEqual([]);
  });

  it('are its own when a later run has changed the file too', async () => {
    await node.write('a.txt', 'one', 'run_1');
    await node.write('a.txt', 'two', 'run_2');
    await node.write('a.txt', 'three', 'run_2');
    expect(await node.differences('run_1')).toEqual([
      { path: 'a.txt', before: null, after: 'one', isChangedSince: true },
    ]);
    expect(await node.differences('run_2')).toEqual([
      { path: 'a.txt', before: 'one', after: 'three', isChangedSince: false },
    ]);
  });

  it('end at what is there when somebody else has changed the file', async () => {
    await node.write('a.txt', 'one');
    put('a.txt', 'other');
    expect(await node.differences('run_1')).toEqual([
      { path: 'a.txt', before: null, after: 'other', isChangedSince: true },
    ]);
  });

  it.each(['before the file', 'after the file'] as const)(
    'are right when a process died %s of a second change',
    async (at) => {
      await node.write('a.txt', 'one');
      await expect(new Node(new DyingRecords(at)).write('a.txt', 'two')).rejects.toThrow('killed');
      const after = at === 'before the file' ? 'one' : 'two';
      expect(await node.differences('run_1')).toEqual([
        { path: 'a.txt', before: null, after, isChangedSince: false },
      ]);
      expect(await node.revert('run_1')).toEqual([{ path: 'a.txt', status: 'removed' }]);
      expect(textOf('a.txt')).toBeNull();
    },
  );

  it('are none when a process died before its first change', async () => {
    put('a.txt', 'one');
    await node.read('a.txt');
    await expect(new Node(new DyingRecords('before the file')).write('a.txt', 'two')).rejects.toThrow(
      'killed',
    );
    expect(await node.differences('run_1')).toEqual([]);
    expect(await node.revert('run_1')).toEqual([{ path: 'a.txt', status: 'restored' }]);
    expect(textOf('a.txt')).toBe('one');
  });
});

describe('reverting a run', () => {
  beforeEach(async () => {
    put('a.txt', '\ufeffone\r\n');
    await node.read('a.txt');
    await node.write('a.txt', 'two');
    await node.write('new/b.txt', 'new');
  });

  it('brings every file back to before it, to the byte', async () => {
    expect(await node.revert('run_1')).toEqual([
      { path: 'a.txt', status: 'restored' },
      { path: 'new/b.txt', status: 'removed' },
    ]);
    expect(textOf('a.txt')).toBe('\ufeffone\r\n');
    expect(readdirSync(onDisk('.'))).toEqual(['a.txt']);
  });

  it('asks the session to read again', async () => {
    await node.revert('run_1');
    await expect(node.write('a.txt', 'three', 'run_2')).rejects.toThrow('has changed since it was read');
  });

  it('touches nothing when one file is not as the run left it, and names it', async () => {
    put('new/b.txt', 'other');
    await expect(node.revert('run_1')).rejects.toMatchObject({
      code: 'conflict',
      message: 'Changed since the run: "new/b.txt". Nothing of them was put back.',
      errors: [{ path: 'new/b.txt', message: 'Changed since the run.' }],
    });
    expect([textOf('a.txt'), textOf('new/b.txt')]).toEqual(['two', 'other']);
  });

  it.each<[string, () => unknown]>([
    ['removed', () => rmSync(onDisk('a.txt'))],
    ['a link', () => (rmSync(onDisk('a.txt')), symlinkSync('/etc/passwd', onDisk('a.txt')))],
    ['a folder', () => (rmSync(onDisk('a.txt')), mkdirSync(onDisk('a.txt')))],
    ['below a link', () => (rmSync(onDisk('new'), { recursive: true }), symlinkSync('/etc', onDisk('new')))],
  ])('touches nothing when a file is %s', async (_what, set) => {
    set();
    await expect(node.revert('run_1')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('goes back over several runs, the last first', async () => {
    await node.write('a.txt', 'three', 'run_2');
    await expect(node.revert('run_1')).rejects.toMatchObject({ code: 'conflict' });
    await node.revert('run_2');
    await node.revert('run_1');
    expect(textOf('a.txt')).toBe('\ufeffone\r\n');
  });

  it('changes nothing when it is said again, whatever has happened since', async () => {
    const first = await node.revert('run_1');
    await node.read('a.txt');
    await node.write('a.txt', 'later', 'run_2');
    expect(await node.revert('run_1')).toEqual(first);
    expect(textOf('a.txt')).toBe('later');
  });

  it('does the rest when it is said again after a crash', async () => {
    const records = new WorkspaceRepository(database);
    records.noteReverted = () => Promise.reject(new Error('killed'));
    await expect(new Node(records).revert('run_1')).rejects.toThrow('killed');
    put('new/b.txt', 'new');
    await node.revert('run_1');
    expect([textOf('a.txt'), textOf('new/b.txt')]).toEqual(['\ufeffone\r\n', null]);
  });

  it('does not begin when it may not', async () => {
    await expect(node.revert('run_1', () => Promise.reject(new Error('busy')))).rejects.toThrow('busy');
    expect(textOf('a.txt')).toBe('two');
  });
});

describe('the workspace of a deleted session', () => {
  it('goes with all that is known of it', async () => {
    await node.write('a.txt', 'text');
    symlinkSync('/etc', onDisk('link'));
    await node.workspaces.remove(session);
    expect(readdirSync(folder)).toEqual([]);
    expect(await node.differences('run_1')).toEqual([]);
    expect(existsSync('/etc/passwd')).toBe(true);
  });

  it('is found when the process died while it was deleted', async () => {
    await node.write('a.txt', 'text');
    await node.workspaces.sweep();
    expect(readdirSync(folder)).toEqual([]);
    expect(await node.differences('run_1')).toEqual([]);
  });

  it('cannot be another folder', async () => {
    await expect(node.workspaces.remove('../outside')).rejects.toThrow('the name of a session');
  });
});

describe('WORKSPACE_DIR', () => {
  it('is made at the start', async () => {
    await new Node(undefined, true).workspaces.onModuleInit();
    expect(readdirSync(base)).toEqual(['workspaces']);
  });

  it('is refused at the start when nothing can be written there', async () => {
    writeFileSync(join(base, 'file'), '');
    folder = join(base, 'file', 'below');
    await expect(new Node(undefined, true).workspaces.onModuleInit()).rejects.toThrow(
      /^WORKSPACE_DIR is ".*below", but takes a folder to write to\.$/,
    );
  });
});
