import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { answerCalls } from './calls.ts';
import { findPlan, type RunPlan } from './plan.ts';

/**
 * A process that speaks the stream format of the Anthropic Messages API
 * (https://docs.anthropic.com/en/api/messages-streaming) and says what the plan in the last user message asks for.
 */
const SLICE = 16_384;
const FILLING = 'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor '.repeat(64);

const frame = (type: string, data: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;

function opening(run: number): string {
  const usage = { input_tokens: 25, output_tokens: 1 };
  const message = {
    id: `msg_bench${run}`,
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-5-5',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage,
  };
  return (
    frame('message_start', { message }) +
    frame('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
    frame('ping', {})
  );
}

function closing(tokens: number): string {
  return (
    frame('content_block_stop', { index: 0 }) +
    frame('message_delta', {
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: tokens },
    }) +
    frame('message_stop', {})
  );
}

/** One delta with its mark; a paced one bears the time at which it left, in microseconds of the machine's clock. */
function delta({ run, rate, size }: Required<RunPlan>, n: number): string {
  const stamp = rate > 0 ? `.${(process.hrtime.bigint() / 1000n).toString(36)}` : '';
  const from = (n * 7) % 64;
  const text = ` ¦${run}.${n}${stamp}¦${FILLING.slice(from, from + size)}`;
  return frame('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
}

async function fast(response: ServerResponse, plan: Required<RunPlan>): Promise<void> {
  let slice = opening(plan.run);
  if (plan.waitMs > 0) {
    response.write(slice);
    slice = '';
    await silence(plan);
  }
  for (let n = 0; n < plan.tokens && !response.destroyed; n += 1) {
    slice += delta(plan, n);
    if (slice.length < SLICE) continue;
    const isTaken = response.write(slice);
    slice = '';
    if (!isTaken) await drained(response);
  }
  response.end(slice + closing(plan.tokens));
}

const silence = ({ waitMs }: Required<RunPlan>): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, waitMs));

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      response.off('drain', go);
      response.off('close', go);
      resolve();
    };
    response.on('drain', go);
    response.on('close', go);
  });
}

/** One write a token, or a group of them, at its time: a late one does not make the next ones late. */
function paced(response: ServerResponse, plan: Required<RunPlan>): void {
  const { tokens, rate, group, waitMs } = plan;
  const begin = performance.now() + waitMs;
  let n = 0;
  response.write(opening(plan.run));
  const speak = () => {
    if (response.destroyed) return;
    let written = '';
    for (let left = Math.min(group, tokens - n); left > 0; left -= 1) {
      written += delta(plan, n);
      n += 1;
    }
    response.write(written);
    if (n < tokens) setTimeout(speak, Math.max(0, begin + (n * 1000) / rate - performance.now()));
    else response.end(closing(tokens));
  };
  if (waitMs > 0) setTimeout(speak, waitMs);
  else speak();
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const plan = findPlan(Buffer.concat(parts).toString());
    if (request.method !== 'POST' || plan === undefined) {
      const error = { type: 'not_found_error', message: 'no bench-plan in this request' };
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ type: 'error', error }));
      return;
    }
    response.socket?.setNoDelay(true);
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    if (plan.rate > 0) paced(response, plan);
    else void fast(response, plan);
  });
}

const server = createServer({ keepAliveTimeout: 600_000 }, serve);
server.listen(0, '127.0.0.1', 4_096);

answerCalls({
  url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  cpu: () => process.cpuUsage(),
});
