import { Global, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { databaseConfig, type DatabaseConfig } from './database.config.js';
import { Database } from './database.js';
import { DatabaseLifecycle } from './database-lifecycle.service.js';

/** One row an engine: its driver is imported only when it is chosen. */
const ENGINES = {
  sqlite: async (config: DatabaseConfig) =>
    new (await import('./sqlite/sqlite-database.js')).SqliteDatabase(config.DATA_DIR),
  postgres: async (config: DatabaseConfig) =>
    new (await import('./postgres/postgres-database.js')).PostgresDatabase(config.DATABASE_URL ?? ''),
};

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
