import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Database } from './database.js';

/** Opens the database before anything is served and closes it after everything else has ended. */
@Injectable()
export class DatabaseLifecycle implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  async onModuleInit(): Promise<void> {
    await this.database.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
