import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { AuthenticatedRequest } from 'agentline/auth';
import { AppError } from 'agentline/errors';

const OURS = '@acme.example';

/** Only people of the house. Who is asking was settled before: Agentline's own guard stands before all routes. */
@Injectable()
export class BookkeepersGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (principal?.email?.endsWith(OURS) === true) return true;
    throw new AppError('forbidden', 'Invoices are shown to people of Acme only.');
  }
}
