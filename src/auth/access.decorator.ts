import {
  createParamDecorator,
  SetMetadata,
  type CustomDecorator,
  type ExecutionContext,
} from '@nestjs/common';
import type { Request } from 'express';
import type { Permission, Principal } from './principal.js';

/** A request that the guard has let in. */
export type AuthenticatedRequest = Request & { principal?: Principal };

export const OPEN = 'auth:open';
export const PERMISSION = 'auth:permission';
export const STREAM = 'auth:stream';

/** When a route is open: `always`, or only where NODE_ENV is not production. */
export type Open = 'always' | 'outside-production';

/** The route, or every route of the controller, asks for no principal. */
export const Public = (): CustomDecorator => SetMetadata(OPEN, 'always' satisfies Open);

/** Open while developing; with NODE_ENV=production it needs a principal. */
export const OpenOutsideProduction = (): CustomDecorator =>
  SetMetadata(OPEN, 'outside-production' satisfies Open);

/**
 * What the route, or every route of the controller, needs; who may not gets `forbidden`. Without it GET needs `read`
 * and everything else `write`.
 */
export const Requires = (permission: Permission): CustomDecorator => SetMetadata(PERMISSION, permission);

/**
 * The route answers with a stream: besides cookie and bearer it takes `?ticket=` (for the ticket's own
 * `session_id`), and a cookie counts only from our own pages, also with GET.
 */
export const AcceptsTicket = (): CustomDecorator => SetMetadata(STREAM, true);

/** Who is asking. Only for routes that are not public. */
export const CurrentPrincipal = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (principal === undefined) throw new Error('@CurrentPrincipal() stands on a route that is public');
  return principal;
});
