import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { EventLog } from './event-log.js';

/** Connects the log before anything is served and ends it after everything that writes or follows has ended. */
@Injectable()
export class EventLogLifecycle implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly log: EventLog) {}

  async onModuleInit(): Promise<void> {
    await this.log.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.log.close();
  }
}
