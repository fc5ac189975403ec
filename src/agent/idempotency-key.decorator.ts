import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { Request } from 'express';
import { AppError } from '../errors/app-error.js';
import { idempotencyKey } from './requests.js';

/** The `Idempotency-Key` header, 1 to 255 printable ASCII characters; undefined when there is none. */
export const IdempotencyKey = createParamDecorator(read, [describe]);

/** The same key and body answer the same run, for 24 h. */
const HEADER = {
  name: 'Idempotency-Key',
  required: false,
  description: 'The same key and body answer the same run, for 24 h',
  schema: { type: 'string' as const, minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]*$' },
};

function read(_data: unknown, context: ExecutionContext): string | undefined {
  const header = context.switchToHttp().getRequest<Request>().headers['idempotency-key'];
  if (header === undefined) return undefined;
  const parsed = idempotencyKey.safeParse(header);
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', 'Idempotency-Key takes 1 to 255 printable ASCII characters.');
}

function describe(target: object, method: string | symbol | undefined): void {
  const route = method === undefined ? undefined : Object.getOwnPropertyDescriptor(target, method);
  if (method !== undefined && route !== undefined) ApiHeader(HEADER)(target, method, route);
}
