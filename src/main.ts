import { fileURLToPath } from 'node:url';

const NEEDED = [22, 22] as const;

/** Only what every Node can run stands here: older ones get one clear line instead of a stack. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `Agentline needs Node ${NEEDED.join('.')} or newer and runs on ${process.versions.node}: start it with "npm start", which brings its own.\n`,
  );
  process.exit(1);
}

// A fifth of the time that a start takes is compiling. Where the folder cannot be written, it is compiled again.
const { enableCompileCache } = await import('node:module');
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/agentline', import.meta.url)));

const { serve } = await import('./serve.js');
await serve();
