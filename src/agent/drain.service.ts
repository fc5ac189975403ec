import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { Dispatcher } from '../runs/dispatcher.service.js';
import { runsConfig, type RunsConfig } from '../runs/runs.config.js';
import { Shutdown } from '../telemetry/shutdown.js';

/**
 * The way out: not ready, nothing new; streams end after a whole event, sockets are told to come back, one after
 * the other; running runs go on to their next checkpoint, for the grace at most. Log and database close only after this.
 */
@Injectable()
export class Drain implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Shutdown');

  constructor(
    private readonly shutdown: Shutdown,
    private readonly dispatcher: Dispatcher,
    @Inject(runsConfig.KEY) private readonly config: RunsConfig,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    this.shutdown.begin();
    const { activeRuns } = this.dispatcher;
    if (activeRuns > 0) {
      this.logger.log(
        `Waiting for ${activeRuns} runs to reach a checkpoint, ${this.config.SHUTDOWN_GRACE_MS} ms at most`,
      );
    }
    await Promise.all([this.dispatcher.drain(this.config.SHUTDOWN_GRACE_MS), this.shutdown.farewell]);
  }
}
