/** `agentline/auth`: who is asking, and who may. */
export { Audited, type AuditedOptions } from '../audit/audited.decorator.js';
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
