/** `agentline/auth`: who is asking, and who may. */
export {
  AcceptsTicket,
  type AuthenticatedRequest,
  CurrentPrincipal,
  OpenOutsideProduction,
  Public,
  Requires,
} from '../auth/access.decorator.js';
export { may } from '../auth/permissions.js';
export type { Owner, Permission, Principal, Role, Scope } from '../auth/principal.js';
