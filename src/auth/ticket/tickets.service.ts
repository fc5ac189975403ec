import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isId } from '../../database/ids.js';
import { AppError } from '../../errors/app-error.js';
import type { Principal } from '../principal.js';
import { Accounts } from '../accounts.service.js';
import { TICKET_SECONDS, TicketRepository } from './ticket.repository.js';

/** 256 random bits in base64url. */
const TICKET = /^[\w-]{43}$/;

export interface TicketResponse {
  ticket: string;
  /** Seconds. */
  expires_in: number;
}

/** Single-use keys to one session's stream or socket, for clients that can send neither header nor cookie. */
@Injectable()
export class Tickets {
  constructor(
    private readonly tickets: TicketRepository,
    private readonly accounts: Accounts,
  ) {}

  /** @throws AppError `not_found` when the principal has no such session */
  async create(principal: Principal, sessionId: string): Promise<TicketResponse> {
    const ticket = randomBytes(32).toString('base64url');
    const isMade =
      isId('ses', sessionId) &&
      (await this.tickets.insert(hashOf(ticket), sessionId, principal, JSON.stringify(principal)));
    if (!isMade) throw new AppError('not_found', 'There is no such session.');
    return { ticket, expires_in: TICKET_SECONDS };
  }

  /**
   * Uses the ticket up. It stands for the credentials that it was made with: not once these have ended, and
   * not for another session than its own, where the request names one.
   */
  async redeem(ticket: string, sessionId: string | null): Promise<Principal | undefined> {
    const stored = TICKET.test(ticket) ? await this.tickets.take(hashOf(ticket)) : undefined;
    if (stored === undefined) return undefined;
    if (sessionId !== null && sessionId !== stored.sessionId) return undefined;
    const principal = JSON.parse(stored.principalJson) as Principal;
    if (principal.expiresAt !== null && principal.expiresAt <= Date.now()) return undefined;
    return this.accounts.confirm({ ...principal, via: 'ticket' });
  }
}

function hashOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('hex');
}
