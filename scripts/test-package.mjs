import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/**
 * `npm run test:package`: packs this checkout and builds examples/acme on the tarball, in a folder of its own where
 * everything but `agentline` is what is installed here, so that no network is needed. Arguments go to its Jest.
 */
const ROOT = join(import.meta.dirname, '..');
const DEADLINE_MS = 300_000;
const folder = mkdtempSync(join(tmpdir(), 'agentline-package-'));
const acme = join(folder, 'acme');
const packages = join(acme, 'node_modules');

try {
  await run('npm', ['run', '-s', 'build:package'], ROOT);
  await unpack(await pack());
  linkTheOthers();
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], acme);
  await tryTerminal();
  await tryServer();
  await run(process.execPath, jest(process.argv.slice(2)), acme);
} catch (error) {
  process.stderr.write(
    `The package does not work. ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @returns the tarball, when nothing is in it that does not belong there */
async function pack() {
  const said = await read('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], ROOT);
  const [{ filename, files, size }] = Object.values(JSON.parse(said));
  const paths = files.map(({ path }) => path);
  const odd = paths.filter(
    (path) => !/^dist\/|^[A-Z]+\.md$|^(LICENSE|package\.json|\.env\.example)$/.test(path),
  );
  const specs = paths.filter((path) => /\.(e2e-)?spec\./.test(path));
  if (odd.length + specs.length > 0) throw new Error(`It holds ${[...odd, ...specs].join(', ')}.`);
  process.stdout.write(`${filename}: ${paths.length} files, ${Math.round(size / 1024)} KiB\n`);
  return join(folder, filename);
}

async function unpack(tarball) {
  cpSync(join(ROOT, 'examples', 'acme'), acme, {
    recursive: true,
    filter: (path) => !/[\\/](node_modules|dist)$/.test(path),
  });
  mkdirSync(packages);
  await run('tar', ['-xzf', tarball, '-C', packages], folder);
  cpSync(join(packages, 'package'), join(packages, 'agentline'), { recursive: true });
  rmSync(join(packages, 'package'), { recursive: true });
}

function linkTheOthers() {
  const installed = join(ROOT, 'node_modules');
  for (const name of readdirSync(installed)) {
    if (!name.startsWith('.') && name !== 'agentline')
      symlinkSync(join(installed, name), join(packages, name));
  }
}

async function tryTerminal() {
  const help = await read(
    process.execPath,
    [join(packages, 'agentline/dist/cli/agentline.js'), '--help'],
    acme,
  );
  if (!help.startsWith('agentline chat')) throw new Error(`agentline --help says ${help}`);
}

/** The application as it is started in earnest, and ended. */
async function tryServer() {
  const env = {
    ...process.env,
    PORT: '0',
    DATA_DIR: join(folder, 'data'),
    ACME_LOG_DIR: join(folder, 'log'),
  };
  const server = spawn(process.execPath, ['dist/main.js'], {
    cwd: acme,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  const exited = once(server, 'close');
  const ready = new Promise((resolve) => {
    server.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
      if (said.includes('Agentline is ready.') && said.includes('next')) resolve(true);
    });
  });
  const late = setTimeout(() => server.kill('SIGKILL'), DEADLINE_MS);
  await Promise.race([ready, exited]);
  server.kill('SIGTERM');
  const [code] = await exited;
  clearTimeout(late);
  if (code !== 0 || !said.includes(`event log   files in ${join(folder, 'log')}`)) {
    throw new Error(`The server of Acme ended with ${code}:\n${said}`);
  }
}

function jest(args) {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  return [...flags, 'node_modules/jest/bin/jest.js', ...args];
}

async function run(program, args, cwd) {
  const child = spawn(program, args, { cwd, stdio: 'inherit', timeout: DEADLINE_MS });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}.`);
}

async function read(program, args, cwd) {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], timeout: DEADLINE_MS });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part) => (text += part));
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}.`);
  return text;
}
