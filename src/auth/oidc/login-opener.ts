import type { Request, Response } from 'express';
import type { User } from '../user.js';

/** Begins login sessions, for every way in by browser. */
export abstract class LoginOpener {
  /** Signs the user in under a new session id, whatever the request brought (OWASP ASVS 5.0 V7.2.4). */
  abstract begin(user: User, request: Request, response: Response): Promise<void>;
}
