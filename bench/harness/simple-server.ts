import { createServer, type ServerResponse } from 'node:http';
import process from 'node:process';

/** Connections that the kernel keeps until they are accepted. */
const BACKLOG = 4_096;

/** Answers `POST {"content": …}`. */
type Relay = (content: string, response: ServerResponse) => Promise<void> | void;

/** Listens on `PORT`, as candidates do that are nothing but a relay on a server of Node's own. */
export function serve(relay: Relay): void {
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.end('ready');
      return;
    }
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => (body += part));
    request.on('end', () => {
      const { content } = JSON.parse(body) as { content: string };
      relay(content, response)?.catch(() => response.destroy());
    });
  });
  server.listen(Number(process.env['PORT']), '127.0.0.1', BACKLOG);
}
