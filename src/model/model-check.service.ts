import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LanguageModel } from './language-model.js';

/** Tells the operator what the model's provider says of the model, at start and when it takes no calls any more. */
@Injectable()
export class ModelCheck implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Model');
  private readonly shutdown = new AbortController();

  constructor(private readonly model: LanguageModel) {}

  /** Does not wait: a provider that does not answer must not hold up the start. */
  onApplicationBootstrap(): void {
    this.model.observe({
      alarm: ({ code, message }) => this.logger.error({ code }, `The provider takes no calls: ${message}`),
    });
    void this.check();
  }

  onApplicationShutdown(): void {
    this.shutdown.abort();
  }

  private async check(): Promise<void> {
    try {
      for (const { code, message } of await this.model.check(this.shutdown.signal)) {
        this.logger.warn({ code }, message);
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'The models of the provider could not be looked up');
    }
  }
}
