import { type ArgumentsHost, Catch } from '@nestjs/common';
import type { Request, Response } from 'express';
import { noteRefusal } from '../../audit/notes.js';
import { AppError } from '../../errors/app-error.js';
import type { ErrorCode } from '../../errors/error-codes.js';
import { ProblemFilter } from '../../errors/problem.filter.js';

const SHOWN = new Set<ErrorCode>(['sign_in_failed', 'sign_in_refused', 'unavailable', 'too_many_requests']);

/**
 * Who asks for a page comes back to the console, which shows the error of `?sign_in_error=<code>`; everybody else
 * gets the problem itself.
 */
@Catch()
export class SignInFailureFilter extends ProblemFilter {
  override catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const wantsPage = (request.headers.accept ?? '').includes('text/html');
    if (wantsPage && exception instanceof AppError && SHOWN.has(exception.code) && !response.headersSent) {
      response.setHeader('Cache-Control', 'no-store');
      noteRefusal(request, exception.code);
      response.redirect(303, `/?sign_in_error=${exception.code}`);
    } else {
      super.catch(exception, host);
    }
  }
}
