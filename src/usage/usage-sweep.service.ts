import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { RunMeters } from './run-meters.service.js';

const EVERY_MS = 60_000;

/** Once a minute: what calls of dead processes hold is booked, so that no budget stays blocked. */
@Injectable()
export class UsageSweep implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(UsageSweep.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly meters: RunMeters) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  async sweep(): Promise<void> {
    try {
      const calls = await this.meters.sweep();
      if (calls > 0)
        this.logger.warn({ calls }, 'Model calls without an end were booked with their worst case');
    } catch (error) {
      this.logger.warn({ err: error }, 'Open model calls could not be booked; the next round tries again');
    }
  }
}
