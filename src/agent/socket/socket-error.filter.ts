import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { type AgentSocket, CLOSE } from './agent-socket.js';
import type { SocketMessage } from './socket-inbox.js';

/**
 * Every refusal on a socket, as a `rejected` frame with the code and message that HTTP would give. Who is nobody any
 * more is told so, and let go.
 */
@Catch()
export class SocketErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('AgentGateway');

  catch(error: unknown, host: ArgumentsHost): void {
    const socket = host.switchToWs().getClient<AgentSocket>();
    const message = host.switchToWs().getData<SocketMessage>();
    const { ref } = message;
    message.refusal = error instanceof AppError ? error.code : 'internal';
    if (error instanceof AppError) {
      socket.reject(ref, error);
      if (error.code === 'unauthenticated') socket.dismiss(CLOSE.unauthenticated, 'sign in again');
      return;
    }
    this.logger.error({ err: error }, 'A socket request failed');
    socket.reject(ref, new AppError('internal', 'Something failed on our side.'));
  }
}
