import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { TicketRepository } from './ticket/ticket.repository.js';
import { LoginRepository } from './session/login.repository.js';

const EVERY_MS = 10 * 60_000;

/** Deletes logins and tickets that have ended: at start, then every ten minutes. They are dead before that. */
@Injectable()
export class Expiry implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Expiry.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly logins: LoginRepository,
    private readonly tickets: TicketRepository,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.timer = setInterval(() => void this.deleteExpired(), EVERY_MS).unref();
    await this.deleteExpired();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  async deleteExpired(): Promise<void> {
    try {
      await this.logins.deleteExpired();
      await this.tickets.deleteExpired();
    } catch (error) {
      this.logger.warn({ err: error }, 'Ended logins could not be deleted; the next round tries again');
    }
  }
}
