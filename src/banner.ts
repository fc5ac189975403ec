import type { ReadyLine } from './workers/orders.js';

/** What a person reads when the server is ready. */
export function banner(lines: ReadyLine[]): string {
  return `\nAgentline is ready.\n${lines.map(([name, value]) => `  ${name.padEnd(11)} ${value}\n`).join('')}\n`;
}
