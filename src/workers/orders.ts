/** What the supervisor tells a worker; `end` comes once, `end now` when somebody did not want to wait. */
export interface Order {
  agentline: 'end' | 'end now';
}

/** What a worker tells the supervisor: it takes connections, and what a person wants to know of it. */
export interface Report {
  agentline: 'ready';
  lines: ReadyLine[];
}

/** A name and what there is to say of it. */
export type ReadyLine = [name: string, value: string];

export function isOrder(message: unknown): message is Order {
  return says(message) && (message.agentline === 'end' || message.agentline === 'end now');
}

export function isReport(message: unknown): message is Report {
  return says(message) && message.agentline === 'ready';
}

function says(message: unknown): message is { agentline: unknown } {
  return typeof message === 'object' && message !== null && 'agentline' in message;
}
