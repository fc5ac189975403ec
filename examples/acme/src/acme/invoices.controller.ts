import { Controller, Get, Param, UseGuards } from '@nestjs/common';
import { AppError } from 'agentline/errors';
import { BookkeepersGuard } from './bookkeepers.guard.js';
import { type Invoice, Invoices } from './invoices.js';

@Controller('api/acme/invoices')
@UseGuards(BookkeepersGuard)
export class InvoicesController {
  constructor(private readonly invoices: Invoices) {}

  @Get(':number')
  find(@Param('number') number: string): Invoice {
    const invoice = this.invoices.find(Number(number));
    if (invoice === undefined) throw new AppError('not_found', 'There is no such invoice.');
    return invoice;
  }
}
