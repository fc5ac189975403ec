// The bill of materials of a server, as CycloneDX 1.5 on standard output: every package that `npm ci --omit=dev`
// installs, with its hash. `npm sbom --omit=dev` leaves out packages that are also a peer of another one (npm 11),
// so it is asked for all, and the lock file tells which of them are for development only.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8'));
const shipped = new Set(
  Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, { name, version }]) => `${name ?? path.replace(/^.*node_modules\//, '')}@${version}`),
);
const text = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 2 ** 20,
});
const bom = JSON.parse(text);
bom.components = bom.components.filter(({ name, version }) => shipped.has(`${name}@${version}`));
const refs = new Set([bom.metadata.component, ...bom.components].map((part) => part['bom-ref']));
bom.dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map((each) => ({ ...each, dependsOn: each.dependsOn.filter((ref) => refs.has(ref)) }));
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
