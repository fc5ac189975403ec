import { Agent, createServer, request as ask, type ServerResponse } from 'node:http';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { modelRequest } from '../../harness/model-request.ts';
import { findPlan } from '../../harness/plan.ts';
import { Beats } from './beats.ts';
import { eventOf, framesOf, HTTP_END, httpChunk, textsOf } from './frames.ts';

/**
 * The least that fan-out can cost in Node: what the model sends in one packet becomes one buffer, which is written to
 * the socket of every viewer, past the response, without a look at whether it has room. Not something to ship.
 */
interface Run {
  responses: Duplex[];
  sockets: Duplex[];
  events: number;
}

const STREAM = { 'content-type': 'text/event-stream; charset=utf-8' };
const agent = new Agent({ keepAlive: true });
const model = new URL('/v1/messages', process.env['MODEL_URL']);
const upgrades = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const runs = new Map<string, Run>();
const responseBeats = new Beats(httpChunk(': hb\n'));
const socketBeats = new Beats(Buffer.from([0x89, 0]));

/** @returns the socket behind a response whose head is out. */
function open(response: ServerResponse): Duplex | undefined {
  response.writeHead(200, STREAM);
  response.flushHeaders();
  return response.socket ?? undefined;
}

function start(content: string, response: ServerResponse): void {
  const run: Run = { responses: [], sockets: [], events: 0 };
  const key = String(findPlan(content)?.run);
  runs.set(key, run);
  join(run.responses, open(response));
  send(run, [['run', { run: key }]]);
  const body = JSON.stringify({ ...modelRequest(content), stream: true });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const upstream = ask(model, { method: 'POST', agent, headers }, (answer) => {
    const texts = textsOf();
    answer.setEncoding('utf8');
    answer.on('data', (part: string) =>
      send(
        run,
        texts(part).map((text) => ['token', { text }]),
      ),
    );
    answer.on('end', () => {
      send(run, [['done', {}]]);
      runs.delete(key);
      for (const socket of run.responses) socket.end(HTTP_END);
    });
  });
  upstream.on('error', () => response.destroy());
  upstream.end(body);
}

function send(run: Run, said: [string, object][]): void {
  if (said.length === 0) return;
  const events = said.map(([type, data]) => eventOf(type, (run.events += 1), data));
  const chunk = httpChunk(events.map(({ sse }) => sse).join(''));
  for (const socket of run.responses) socket.write(chunk);
  if (run.sockets.length === 0) return;
  const frames = framesOf(events.map(({ json }) => json));
  for (const socket of run.sockets) socket.write(frames);
}

function join(viewers: Duplex[], socket: Duplex | undefined): void {
  if (socket === undefined) return;
  viewers.push(socket);
  socket.on('error', () => socket.destroy());
}

const server = createServer((request, response) => {
  const { url = '' } = request;
  if (url === '/ready') {
    response.end('ready');
  } else if (request.method === 'POST') {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => (body += part));
    request.on('end', () => start((JSON.parse(body) as { content: string }).content, response));
  } else {
    const socket = open(response);
    socket?.write(httpChunk('retry: 1000\n\n'));
    const run = runs.get(url.slice('/watch/'.length));
    if (run !== undefined) join(run.responses, socket);
    else responseBeats.add(socket);
  }
});

server.on('upgrade', (request, socket: Duplex, head) => {
  upgrades.handleUpgrade(request, socket, head, (upgraded) => {
    upgraded.on('error', () => upgraded.terminate());
    const run = runs.get((request.url ?? '').slice('/watch/'.length));
    if (run === undefined) socketBeats.add(socket);
    else join(run.sockets, socket);
  });
});
server.listen(Number(process.env['PORT']), '127.0.0.1', 4_096);
