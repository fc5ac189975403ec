export interface Invoice {
  number: number;
  cents: number;
  paid: boolean;
}

/** Where the invoices are; a real one asks a database. */
export class Invoices {
  private readonly known: readonly Invoice[] = [{ number: 7, cents: 129_00, paid: false }];

  find(number: number): Invoice | undefined {
    return this.known.find((invoice) => invoice.number === number);
  }
}
