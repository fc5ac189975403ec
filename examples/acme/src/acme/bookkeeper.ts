import { Agent } from 'agentline/agent';

/** Answers questions about invoices, and changes nothing. */
@Agent({
  name: 'bookkeeper',
  description: 'Answers questions about invoices, with sums that are calculated.',
  system: 'You answer questions about invoices. Calculate every sum; never estimate one.',
  tools: ['get_invoice', 'calculate'],
  limits: { maxTurns: 10 },
})
export class Bookkeeper {}
