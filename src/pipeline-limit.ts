import type { Socket } from 'node:net';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';

/** Requests of one connection that wait for their answers. Nobody who pipelines has more than a few. */
const MAX_UNANSWERED = 64;

/**
 * Node handles all requests of a packet at once, and a packet can hold thousands: what a connection asks for beyond
 * the limit ends it (RFC 9112 §9.3.2 leaves it to the server), and nothing more of it is read or handled.
 */
export function limitPipelines(app: NestExpressApplication): void {
  const unanswered = new WeakMap<Socket, number>();
  app.use((request: Request, response: Response, next: NextFunction) => {
    const { socket } = request;
    // What the parser still finds in the packet that ended the connection.
    if (socket.destroyed) return;
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > MAX_UNANSWERED) {
      pauseParser(socket);
      socket.destroy();
      return;
    }
    unanswered.set(socket, count);
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    next();
  });
}

/** Undocumented; without it Node makes a request of everything in the packet, for nobody. */
function pauseParser(socket: Socket): void {
  const parser = Reflect.get(socket, 'parser') as { pause?: () => void } | null | undefined;
  parser?.pause?.();
}
