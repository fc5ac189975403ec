/** One block of a stream as it stood on the wire. */
export interface SseBlock {
  event: string;
  id: string | undefined;
  data: string;
  retry: number | undefined;
  /** Names of the lines in their order; comments are `:`. */
  lines: string[];
}

/**
 * A reader of event streams that is stricter than the standard: it accepts only what the contract says the
 * server sends, and lists everything else in `problems`.
 */
export class SseParser {
  readonly blocks: SseBlock[] = [];
  readonly comments: string[] = [];
  readonly problems: string[] = [];
  /** All values of `retry:` lines, in order. */
  readonly retries: number[] = [];
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private rest = '';
  private open: { field: string; value: string }[] = [];

  constructor(private readonly onBlock: (block: SseBlock) => void = () => {}) {}

  push(chunk: Uint8Array): void {
    const text = this.decode(chunk);
    if (text.includes('\r')) this.problems.push('a CR in the stream');
    this.rest += text;
    let from = 0;
    for (;;) {
      const end = this.rest.indexOf('\n', from);
      if (end === -1) break;
      this.line(this.rest.slice(from, end));
      from = end + 1;
    }
    this.rest = this.rest.slice(from);
  }

  /** Whether the bytes so far end after a whole block (a comment line may follow it), or after a lone `retry:`. */
  get whole(): boolean {
    const isLoneRetry = this.blocks.length === 0 && this.open.length === 1 && this.open[0]?.field === 'retry';
    return this.rest === '' && (this.open.length === 0 || isLoneRetry);
  }

  private decode(chunk: Uint8Array): string {
    try {
      return this.decoder.decode(chunk, { stream: true });
    } catch {
      this.problems.push('bytes that are not UTF-8');
      return '';
    }
  }

  private line(line: string): void {
    if (line === '') {
      this.finish();
    } else if (line.startsWith(':')) {
      this.comments.push(line);
      if (this.open.length > 0) this.open.push({ field: ':', value: line });
    } else {
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = line.slice(colon + 1).replace(/^ /, '');
      this.open.push({ field, value });
      // It counts at once, as the standard has it, whether an event follows or not.
      if (field === 'retry') this.retries.push(Number(value));
      if (!['event', 'id', 'data', 'retry'].includes(field)) this.problems.push(`unknown field ${field}`);
    }
  }

  private finish(): void {
    if (this.open.length === 0) return;
    const values = (field: string) => this.open.filter((l) => l.field === field).map((l) => l.value);
    const retry = values('retry')[0];
    const block: SseBlock = {
      event: values('event')[0] ?? 'message',
      id: values('id')[0],
      data: values('data').join('\n'),
      retry: retry === undefined ? undefined : Number(retry),
      lines: this.open.map((l) => l.field),
    };
    this.check(block, values('data').length);
    this.open = [];
    this.blocks.push(block);
    this.onBlock(block);
  }

  private check(block: SseBlock, dataLines: number): void {
    const at = `block ${this.blocks.length + 1} (${block.event})`;
    if (dataLines !== 1) this.problems.push(`${at} has ${dataLines} data lines`);
    if (new Set(block.lines).size < block.lines.length) this.problems.push(`${at} repeats a field`);
    if (block.id !== undefined && block.lines.at(-1) !== 'id') this.problems.push(`${at}: id is not last`);
    if (this.blocks.length === 0 && block.retry === undefined)
      this.problems.push(`${at}: no retry in the first block`);
    try {
      JSON.parse(block.data);
    } catch {
      this.problems.push(`${at}: data is not JSON`);
    }
  }
}
