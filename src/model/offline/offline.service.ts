import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { modelConfig, type ModelConfig } from '../model.config.js';
import { OfflineServer } from './offline-server.js';

/** Runs the offline stand-in while the application runs, once somebody needs it. */
@Injectable()
export class OfflineService implements OnApplicationShutdown {
  private readonly logger = new Logger('OfflineModel');
  private readonly server: OfflineServer;

  constructor(@Inject(modelConfig.KEY) config: ModelConfig) {
    this.server = new OfflineServer(config.OFFLINE_MODEL_DELAY_MS);
  }

  /** Starts the stand-in and says so. @returns its base URL */
  async start(): Promise<string> {
    const url = await this.server.listen();
    this.logger.warn(
      `No ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or ANTHROPIC_BASE_URL is set: an offline stand-in answers at ${url}. It is not a model.`,
    );
    return url;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.server.close();
  }
}
