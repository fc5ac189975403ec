import Anthropic from '@anthropic-ai/sdk';
import { type Channel, createChannel, createSession } from 'better-sse';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import process from 'node:process';
import { modelRequest } from '../../harness/model-request.ts';
import { findPlan } from '../../harness/plan.ts';

/** A channel a run; whoever watches is a session that is registered in it. */
const HEARTBEAT_MS = 15_000;
const anthropic = new Anthropic({ apiKey: 'bench', baseURL: process.env['MODEL_URL'] });
type Viewers = Channel<object, ServerResponse>;
const runs = new Map<string, Viewers>();
const idle: Viewers = createChannel();

async function join(request: IncomingMessage, response: ServerResponse, channel: Viewers): Promise<void> {
  // Its heartbeat goes on after the end of a response that has not been read to its end, and would end the process.
  response.on('error', () => {});
  channel.register(await createSession(request, response, { keepAlive: HEARTBEAT_MS, state: response }));
}

async function start(content: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const channel: Viewers = createChannel();
  const run = String(findPlan(content)?.run);
  runs.set(run, channel);
  await join(request, response, channel);
  channel.broadcast({ run }, 'run');
  const events = await anthropic.messages.create({ ...modelRequest(content), stream: true });
  for await (const event of events) {
    if (event.type !== 'content_block_delta' || event.delta.type !== 'text_delta') continue;
    channel.broadcast({ text: event.delta.text }, 'token');
  }
  channel.broadcast({}, 'done');
  runs.delete(run);
  // The library has no way to end a response.
  for (const { state } of channel.activeSessions) state.end();
}

function watch(request: IncomingMessage, response: ServerResponse): void {
  const { url = '' } = request;
  if (url === '/ready') response.end('ready');
  else if (url === '/idle') void join(request, response, idle);
  else void join(request, response, runs.get(url.slice('/watch/'.length)) ?? idle);
}

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    watch(request, response);
    return;
  }
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (part: string) => (body += part));
  request.on('end', () => {
    start((JSON.parse(body) as { content: string }).content, request, response).catch(() =>
      response.destroy(),
    );
  });
});
server.listen(Number(process.env['PORT']), '127.0.0.1', 4_096);
