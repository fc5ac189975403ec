import type { AgentlineClient, StreamEvent } from '../client/agentline-client.js';
import type { Command } from './arguments.js';
import type { Interrupts } from './interrupts.js';
import { encodeLine } from './json-line.js';
import { RunPrinter, type Screen } from './run-printer.js';

/** Why a command ends before its run: its user has left. */
export class Left extends Error {}

/** Watches a run to its end. @returns whether it was completed. @throws Left */
export async function tail(
  client: AgentlineClient,
  command: Extract<Command, { name: 'tail' }>,
  { screen, interrupts }: { screen: Screen; interrupts: Interrupts },
): Promise<boolean> {
  const leave = new AbortController();
  const stream = client.follow(
    { run_id: command.run, last_event_id: command.lastEventId },
    { signal: leave.signal, onConnection: tellLosses },
  );
  interrupts.mean(() => {
    const from = stream.lastEventId === undefined ? '' : ` --last-event-id ${stream.lastEventId}`;
    leave.abort(new Left(`Go on with: agentline tail ${command.run}${from}`));
  });
  const printer = new RunPrinter(screen);
  const show = (event: StreamEvent) => (command.json ? screen.write(encodeLine(event)) : printer.show(event));
  for await (const event of stream) show(event);
  if (stream.view.done !== null) return stream.view.done.status === 'completed';
  // Nothing came: the last event that was named is the end.
  return (await client.run(command.run)).status === 'completed';
}

/** Why the screen stands still; the stream comes back by itself. */
export function tellLosses(state: 'open' | 'lost', error?: Error): void {
  if (state === 'lost' && error !== undefined) process.stderr.write('Connection lost. Coming back…\n');
}
