import type { PipeTransform } from '@nestjs/common';
import { invalidRequest } from '../../errors/invalid-request.js';
import { type SocketEvent, type SocketRequest, socketRequests } from '../requests.js';
import type { SocketMessage } from './socket-inbox.js';

/** Parses the `data` of one event by its schema. */
export class SocketRequestPipe<E extends SocketEvent> implements PipeTransform<
  SocketMessage,
  SocketRequest<E>
> {
  constructor(private readonly event: E) {}

  transform({ data }: SocketMessage): SocketRequest<E> {
    const parsed = socketRequests[this.event].safeParse(data);
    if (!parsed.success) throw invalidRequest(parsed.error.issues);
    return parsed.data as SocketRequest<E>;
  }
}
