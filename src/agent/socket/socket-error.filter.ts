import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import type { AgentSocket } from './agent-socket.js';
import type { SocketMessage } from './socket-inbox.js';

/** Every refusal on a socket, as a `rejected` frame with the code and message that HTTP would give. */
@Catch()
export class SocketErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('AgentGateway');

  catch(error: unknown, host: ArgumentsHost): void {
    const socket = host.switchToWs().getClient<AgentSocket>();
    const { ref } = host.switchToWs().getData<SocketMessage>();
    if (error instanceof AppError) return socket.reject(ref, error);
    this.logger.error({ err: error }, 'A socket request failed');
    socket.reject(ref, new AppError('internal', 'Something failed on our side.'));
  }
}
