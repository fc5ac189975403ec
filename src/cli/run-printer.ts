import type { StreamEvent } from '../client/agentline-client.js';
import { inOneLine, plainText } from './plain-text.js';

/** SGR codes (ECMA-48 §8.3.117). */
const CODES = { dim: 2, red: 31, yellow: 33, cyan: 36 };

export interface Screen {
  write(text: string): unknown;
  /** Colours, and thinking: for a person at a terminal. */
  isPerson: boolean;
}

/** Shows the events of a run as they come: text as text, everything else as lines of its own. */
export class RunPrinter {
  private isInLine = false;

  constructor(private readonly screen: Screen) {}

  show(event: StreamEvent): void {
    switch (event.type) {
      case 'token':
        return this.text(plainText(event.data.text));
      case 'thinking':
        if (this.screen.isPerson) this.text(this.paint('dim', plainText(event.data.text)));
        return;
      case 'tool_call':
        return this.line('yellow', `[call] ${plainText(event.data.name)} ${inOneLine(event.data.args)}`);
      case 'approval':
        return this.line('cyan', `[waits] ${plainText(event.data.name)} until ${event.data.expires_at}`);
      case 'tool_result': {
        const { name, result, is_error: isError, duration_ms: duration } = event.data;
        const outcome = `[${isError ? 'failed' : 'result'}] ${plainText(name)} ${inOneLine(result)} (${duration} ms)`;
        return this.line(isError ? 'red' : 'yellow', outcome);
      }
      case 'reset':
        return this.line(
          'red',
          `[again] ${inOneLine(event.data.reason)}: what follows takes the place of the last lines`,
        );
      case 'error':
        return this.line('red', `[error] ${inOneLine(event.data.error)}`);
      case 'done':
        return this.end(event.data);
      default:
      // `run`, and what this version does not know.
    }
  }

  /** A line that is no part of the answer. */
  line(colour: keyof typeof CODES, text: string): void {
    this.text(this.isInLine ? '\n' : '');
    this.screen.write(`${this.paint(colour, text)}\n`);
  }

  private end(done: Extract<StreamEvent, { type: 'done' }>['data']): void {
    const { status, usage, cost_usd: cost } = done;
    const price = cost === null ? '' : `, ${cost} USD`;
    this.line('dim', `[${status}] ${usage.input_tokens} tokens in, ${usage.output_tokens} out${price}`);
  }

  private text(text: string): void {
    if (text === '') return;
    this.isInLine = !text.endsWith('\n');
    this.screen.write(text);
  }

  private paint(colour: keyof typeof CODES, text: string): string {
    return this.screen.isPerson ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
  }
}
