// The server of the reference SDK as a child process. Its argument says how it behaves.
import { spawn } from 'node:child_process';
import { Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const behaviour = process.argv[2] ?? 'well';
if (behaviour === 'noisy')
  for (let line = 0; line < 1_000; line += 1) console.error(`line ${line} ${'x'.repeat(5_000)}`);
if (behaviour === 'crash') process.exit(3);
if (behaviour === 'garbage') process.stdout.write('this is no JSON\n{"neither":"a message"}\n');
if (behaviour === 'flood') process.stdout.write('x'.repeat(20_000_000));
if (behaviour === 'stubborn') process.on('SIGTERM', () => {});

const text = (value) => ({ content: [{ type: 'text', text: value }] });
const tools = {
  echo: ({ say }) => text(String(say)),
  environment: () => text(JSON.stringify(process.env)),
  identity: () => text(String(process.pid)),
  die: () => process.exit(1),
  hang: (_args, signal) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        console.error('cancelled');
        resolve(text('cancelled'));
      });
      console.error('hanging');
    }),
  child: () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    return text(String(child.pid));
  },
};

serveStdio(() => {
  const server = new Server({ name: 'stdio', version: '1' }, { capabilities: { tools: {} } });
  server.setRequestHandler('tools/list', () => ({
    tools: Object.keys(tools).map((name) => ({ name, description: name, inputSchema: { type: 'object' } })),
  }));
  server.setRequestHandler('tools/call', ({ params }, { mcpReq }) =>
    tools[params.name](params.arguments ?? {}, mcpReq.signal),
  );
  return server;
});
if (behaviour === 'stubborn') setInterval(() => {}, 1_000);
