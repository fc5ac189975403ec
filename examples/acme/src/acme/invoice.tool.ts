import { Injectable } from '@nestjs/common';
import { Tool, type ToolContext, ToolError } from 'agentline/tools';
import { z } from 'zod';
import { type Invoice, Invoices } from './invoices.js';

const input = z.strictObject({
  number: z.int().min(1).describe('The number printed on the invoice.'),
});

@Injectable()
export class InvoiceTool {
  constructor(private readonly invoices: Invoices) {}

  @Tool({
    name: 'get_invoice',
    description: 'Gives an invoice by its number: the amount in euro cents, and whether it is paid.',
    input,
    idempotent: true,
  })
  find({ number }: z.output<typeof input>, { principal }: ToolContext): Invoice {
    const invoice = this.invoices.find(number);
    if (invoice === undefined) throw new ToolError(`${principal.email ?? 'You'} has no invoice ${number}.`);
    return invoice;
  }
}
