import { join } from 'node:path';
import process from 'node:process';
import { isDeepStrictEqual } from 'node:util';
import { buildIfOld } from './demo/build-if-old.mjs';
import { DemoServer } from './demo/demo-server.mjs';
import { Terminal } from './demo/terminal.mjs';

/**
 * `npm run demo`: a server, a question that needs two tools, and every event of the run as it arrives. `npm run demo
 * 'another question'` asks that one.
 */
const ROOT = join(import.meta.dirname, '..');
const [QUESTION = 'What time is it in Tokyo, and what is 6*7?'] = process.argv.slice(2);
const DEADLINE_MS = 120_000;

const terminal = new Terminal();
const stop = new AbortController();
const deadline = setTimeout(
  () => stop.abort(new Error(`Not done after ${DEADLINE_MS / 1000} s.`)),
  DEADLINE_MS,
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => stop.abort(new Error(`Stopped by ${signal}.`)));
}
// Whoever reads the output has gone (`npm run demo | head`): there is nobody left to tell.
process.stdout.on('error', (error) => stop.abort(error));

process.exitCode = await run().catch(explain);
clearTimeout(deadline);

async function run() {
  const { signal } = stop;
  if (await buildIfOld(ROOT, signal)) terminal.line('Built the server.');
  const server = new DemoServer(ROOT);
  try {
    await server.start(signal);
    // Of what was built just now: the client that everybody has as `agentline/client`.
    const { AgentlineClient } = await import('../dist/client/agentline-client.js');
    const client = new AgentlineClient({ url: server.url });
    await client.signIn(server.email, server.password, { signal });
    introduce(server);
    const run = await client.start({ content: QUESTION }, { signal });
    const stream = client.follow(run, { signal });
    const events = await show(stream);
    await conclude(stream.view, events, client.follow(run, { signal }));
  } finally {
    await server.stop();
  }
  sayWhatNext();
  return 0;
}

function introduce(server) {
  terminal.heading('Agentline: one run, end to end');
  terminal.fact('server', `${server.url}, stopped and removed at the end`);
  terminal.fact('database', 'SQLite in a temporary folder');
  terminal.fact('model', server.fact('model'));
  terminal.fact('user', server.email);
  terminal.fact('question', QUESTION, 'bold');
}

/** Prints the events while they come; each line stands there as soon as its event has arrived. */
async function show(stream) {
  const events = [];
  const began = performance.now();
  for await (const { type, id, data } of stream) {
    if (events.length === 0) {
      terminal.heading('Its events, as they arrive (GET /api/agent/stream)');
      terminal.fact('id', `${id.split('.')[0]}.<attempt>.<seq>`);
      terminal.line();
    }
    events.push({ type, id, data });
    terminal.event((performance.now() - began) / 1000, { id, event: type, data: JSON.stringify(data) });
  }
  return events;
}

/** @param view what is true at the end, with nothing that was taken back */
async function conclude(view, events, second) {
  if (view.status !== 'completed') {
    throw new Error(`The run is ${view.status}${view.error ? `: ${view.error.error}` : '.'}`);
  }
  const { usage, cost_usd: cost } = view.done;
  terminal.heading('Result');
  terminal.fact('answer', answerOf(view), 'green');
  terminal.fact(
    'usage',
    `${usage.input_tokens} tokens in, ${usage.output_tokens} out, ${usage.model_calls} calls of the model`,
  );
  terminal.fact('cost', cost === null ? 'not known for this model' : `${cost} USD`);
  const again = [];
  for await (const { type, id, data } of second) again.push({ type, id, data });
  if (!isDeepStrictEqual(again, events)) throw new Error('A second viewer got other events than the first.');
  terminal.fact('again', `a second viewer has read the log: the same ${again.length} events`);
}

/** The text of the answer; what the model says after its tools begins on a new line. */
function answerOf({ parts }) {
  const texts = parts.filter(({ type }) => type === 'text').map(({ text }) => text.replace(/\n$/, ''));
  return texts.join('\n');
}

function sayWhatNext() {
  terminal.heading('Next');
  terminal.fact('npm start', 'the server, with a console to talk and watch at http://127.0.0.1:3000');
  terminal.fact('docs', 'docs/try-it.md: cut it, stop it, decide on a call, give it a tool of your own');
  terminal.line();
}

function explain(error) {
  const reason = stop.signal.aborted ? stop.signal.reason : error;
  if (reason?.code !== 'EPIPE') process.stderr.write(`\nThe demo failed. ${reason?.message ?? reason}\n`);
  return 1;
}
