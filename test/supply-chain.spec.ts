import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

interface LockedPackage {
  name?: string;
  version: string;
  integrity?: string;
  dev?: boolean;
  optional?: boolean;
  hasInstallScript?: boolean;
}

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const manifest = JSON.parse(read('package.json')) as Record<
  string,
  Record<string, string | Record<string, string>>
>;
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
const nameOf = (path: string) => path.replace(/^.*node_modules\//, '');

describe('What is installed', () => {
  it('is pinned exactly', () => {
    const asked = ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides'].flatMap((kind) =>
      Object.entries(manifest[kind] ?? {}).flatMap(([name, asked]) =>
        typeof asked === 'string' ? [[name, asked] as const] : Object.entries(asked),
      ),
    );
    expect(asked.filter(([, version]) => !/^(npm:[\w@/-]+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it('is known by a hash, so that no other content is taken for it', () => {
    expect(packages.filter(([, { integrity }]) => !/^sha512-.{86}==$/.test(integrity ?? ''))).toEqual([]);
  });

  it('is what its folder says, but for names that are known', () => {
    const others = packages.filter(([path, { name }]) => name !== undefined && name !== nameOf(path));
    expect(others.map(([path, { name }]) => `${nameOf(path)} is ${name}`)).toEqual([
      '@jest/react-is-18 is react-is',
      '@jest/react-is-19 is react-is',
      'ai5 is ai',
      'ai6 is ai',
      'ai7 is ai',
      'string-width-cjs is string-width',
      'strip-ansi-cjs is strip-ansi',
      'typescript7 is typescript',
      'wrap-ansi-cjs is wrap-ansi',
    ]);
  });

  it('runs nothing while it is installed: the few that would like to are not needed for that', () => {
    expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
    const eager = packages.filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(eager.map(([path]) => nameOf(path))).toEqual([
      '@parcel/watcher',
      '@scarf/scarf',
      '@swc/core',
      'unrs-resolver',
    ]);
  });
});

describe('npm run sbom', () => {
  it('lists all that a server is made of, with hashes, as CycloneDX', () => {
    const text = execFileSync('npm', ['run', '-s', 'sbom'], { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
    const bom = JSON.parse(text) as {
      bomFormat: string;
      components: { name: string; group?: string; version: string; hashes?: { alg: string }[] }[];
    };
    const listed = bom.components.map(({ name, version }) => `${name}@${version}`);
    const shipped = packages
      .filter(([, { dev, optional }]) => dev !== true && optional !== true)
      .map(([path, { version }]) => `${nameOf(path)}@${version}`);
    expect(bom.bomFormat).toBe('CycloneDX');
    expect(shipped.filter((each) => !listed.includes(each))).toEqual([]);
    expect(shipped).toEqual(
      expect.arrayContaining(
        Object.keys(manifest['dependencies'] ?? {}).map((name) => expect.stringMatching(`^${name}@`)),
      ),
    );
    expect(listed.filter((each) => /^(jest|oxlint|prettier)@/.test(each))).toEqual([]);
    expect(bom.components.filter(({ hashes }) => hashes?.[0]?.alg !== 'SHA-512')).toEqual([]);
  });
});
