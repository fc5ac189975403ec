import { Global, Injectable, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { databaseConfig, type DatabaseConfig } from './database.config.js';
import { Database } from './database.js';

/** One row an engine: its driver is imported only when it is chosen. */
const ENGINES = {
  sqlite: async (config: DatabaseConfig) =>
    new (await import('./sqlite/sqlite-database.js')).SqliteDatabase(config.DATA_DIR),
  postgres: async (config: DatabaseConfig) =>
    new (await import('./postgres/postgres-database.js')).PostgresDatabase(config.DATABASE_URL ?? ''),
};

/** Opens the database before anything is served and closes it after everything else has ended. */
@Injectable()
class DatabaseLifecycle implements OnModuleInit, OnApplicationShutdown {
  constructor(private readonly database: Database) {}

  async onModuleInit(): Promise<void> {
    await this.database.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}

@Global()
@Module({
  imports: [ConfigModule.forFeature(databaseConfig)],
  providers: [
    {
      provide: Database,
      inject: [databaseConfig.KEY],
      useFactory: (config: DatabaseConfig): Promise<Database> =>
        ENGINES[config.DATABASE_URL === undefined ? 'sqlite' : 'postgres'](config),
    },
    DatabaseLifecycle,
  ],
  exports: [Database],
})
export class DatabaseModule {}
