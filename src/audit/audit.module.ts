import { Global, type INestApplication, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { DiscoveryModule } from '@nestjs/core';
import { DatabaseModule } from '../database/database.module.js';
import { auditConfig } from './audit.config.js';
import { AuditReader } from './audit-reader.service.js';
import { AuditRepository } from './audit.repository.js';
import { Audit } from './audit.service.js';
import { AuditedRoutes } from './calls/audited-routes.service.js';
import { CallAudit } from './calls/call-audit.middleware.js';

/** Who did what to what, from where, allowed or not: for everybody, without an import. */
@Global()
@Module({
  imports: [ConfigModule.forFeature(auditConfig), DatabaseModule, DiscoveryModule],
  providers: [Audit, AuditRepository, AuditReader, AuditedRoutes, CallAudit],
  exports: [Audit, AuditReader],
})
export class AuditModule {
  /** For app.setup, before anything that may answer a request. */
  static attach(app: INestApplication): void {
    const calls = app.get(CallAudit, { strict: false });
    app.use(calls.use.bind(calls));
  }
}
