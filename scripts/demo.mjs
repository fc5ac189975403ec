import { join } from 'node:path';
import process from 'node:process';
import { isDeepStrictEqual } from 'node:util';
import { buildIfOld } from './demo/build-if-old.mjs';
import { Client } from './demo/client.mjs';
import { DemoServer } from './demo/demo-server.mjs';
import { Terminal } from './demo/terminal.mjs';

/** `npm run demo`: a server, a question that needs two tools, and every event of the run as it arrives. */
const ROOT = join(import.meta.dirname, '..');
const QUESTION = 'What time is it in Tokyo, and what is 6*7?';
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
    const client = new Client(server.url, signal);
    await client.signIn(server.email, server.password);
    introduce(server);
    const events = await show(client.ask(QUESTION));
    await conclude(client, events);
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
  for await (const event of stream) {
    if (events.length === 0) {
      terminal.heading('Its events, as they arrive (GET or POST /api/agent/stream)');
      terminal.fact('id', `${event.id.split('.')[0]}.<attempt>.<seq>`);
      terminal.line();
    }
    events.push(event);
    terminal.event((performance.now() - began) / 1000, event);
  }
  return events;
}

async function conclude(client, events) {
  const last = events.at(-1);
  if (last?.event !== 'done') throw new Error('The stream ended without `done`.');
  const { status, usage, cost_usd: cost } = dataOf(last);
  if (status !== 'completed') {
    const failed = events.find(({ event }) => event === 'error');
    throw new Error(`The run is ${status}${failed ? `: ${dataOf(failed).error}` : '.'}`);
  }
  terminal.heading('Result');
  terminal.fact('answer', answerOf(events), 'green');
  terminal.fact(
    'usage',
    `${usage.input_tokens} tokens in, ${usage.output_tokens} out, ${usage.model_calls} calls of the model`,
  );
  terminal.fact('cost', cost === null ? 'not known for this model' : `${cost} USD`);
  const again = [];
  for await (const event of client.watch(dataOf(events[0]).session_id)) again.push(event);
  if (!isDeepStrictEqual(again, events)) throw new Error('A second viewer got other events than the first.');
  terminal.fact('again', `a second viewer has read the log: the same ${again.length} events, byte for byte`);
}

function dataOf({ data }) {
  return JSON.parse(data);
}

/** The text of the answer; what the model says after its tools begins on a new line. */
function answerOf(events) {
  let answer = '';
  for (const { event, data } of events) {
    if (event === 'tool_call' && !answer.endsWith('\n')) answer += '\n';
    if (event === 'token') answer += JSON.parse(data).text;
  }
  return answer;
}

function sayWhatNext() {
  terminal.heading('Next');
  terminal.fact('npm start', 'the server, with a console to talk and watch at http://127.0.0.1:3000');
  terminal.fact('README.md', 'curl, EventSource, WebSocket, your own tools');
  terminal.line();
}

function explain(error) {
  const reason = stop.signal.aborted ? stop.signal.reason : error;
  if (reason?.code !== 'EPIPE') process.stderr.write(`\nThe demo failed. ${reason?.message ?? reason}\n`);
  return 1;
}
