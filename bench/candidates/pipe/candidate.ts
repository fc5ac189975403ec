import { Agent, request as ask, type ServerResponse } from 'node:http';
import process from 'node:process';
import { modelRequest } from '../../harness/model-request.ts';
import { serve } from '../../harness/simple-server.ts';

/** The least that can stand between a model and a viewer: the model's bytes, untouched and unread. */
const agent = new Agent({ keepAlive: true });
const model = new URL('/v1/messages', process.env['MODEL_URL']);

function relay(content: string, response: ServerResponse): void {
  const body = JSON.stringify({ ...modelRequest(content), stream: true });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const upstream = ask(model, { method: 'POST', agent, headers }, (answer) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    answer.pipe(response);
  });
  response.on('close', () => {
    if (!response.writableFinished) upstream.destroy();
  });
  upstream.on('error', () => response.destroy());
  upstream.end(body);
}

serve(relay);
