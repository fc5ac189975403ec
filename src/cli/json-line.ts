import type { StreamEvent } from '../client/agentline-client.js';
import { plainText } from './plain-text.js';

/** An event as one line of JSON. What a terminal might obey is escaped, and so stays the same value. */
export function encodeLine({ type, id, data }: StreamEvent): string {
  return `${plainText(JSON.stringify({ event: type, id, data }))}\n`;
}
