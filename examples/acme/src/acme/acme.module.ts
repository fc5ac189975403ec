import { Module } from '@nestjs/common';
import { AgentModule } from 'agentline/agent';
import { EventLogModule } from 'agentline/event-log';
import { Bookkeeper } from './bookkeeper.js';
import { FileEventLog } from './file-log/file-event-log.js';
import { InvoiceTool } from './invoice.tool.js';
import { Invoices } from './invoices.js';
import { InvoicesController } from './invoices.controller.js';

const logFolder = process.env['ACME_LOG_DIR'] ?? '.acme-log';

@Module({
  imports: [AgentModule, EventLogModule.register((options) => new FileEventLog(logFolder, options))],
  controllers: [InvoicesController],
  providers: [Bookkeeper, Invoices, InvoiceTool],
})
export class AcmeModule {}
