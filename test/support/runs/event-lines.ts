import type { EventLog } from '../../../src/event-log/event-log.js';
import { placeEvents } from '../../../src/event-log/placed-event.js';
import type { PlacedRunEvent, Usage } from '../../../src/event-log/run-event.js';
import { runEventData } from '../../../src/event-log/run-event.js';

/** All events that the log has of a run now. Throws when one does not fit its schema. */
export async function eventsOf(log: EventLog, runId: string): Promise<PlacedRunEvent[]> {
  const events: PlacedRunEvent[] = [];
  for (;;) {
    const pages = await log.read(runId, events.at(-1)?.seq ?? 0);
    if (pages.length === 0) return events;
    for (const event of placeEvents(pages)) {
      runEventData[event.type].parse(event.data);
      events.push(event);
    }
  }
}

/** The same as lines: `<attempt>.<seq> <event>`, so that a whole list can be written down in a test. */
export async function linesOf(log: EventLog, runId: string): Promise<string[]> {
  return (await eventsOf(log, runId)).map((event) => `${event.attempt}.${event.seq} ${lineOf(event)}`);
}

function lineOf(event: PlacedRunEvent): string {
  const { type, data } = event;
  switch (type) {
    case 'run':
      return `run ${data.status}`;
    case 'token':
    case 'thinking':
      return `${type} ${data.text}`;
    case 'tool_call':
      return `tool_call ${data.id} ${data.name} ${JSON.stringify(data.args)}`;
    case 'approval':
      return `approval ${data.id} ${data.name} ${JSON.stringify(data.args)}`;
    case 'tool_result':
      return `tool_result ${data.id} ${data.is_error ? 'error ' : ''}${JSON.stringify(data.result)}`;
    case 'reset':
      return `reset after ${data.after?.slice(data.after.indexOf('.') + 1) ?? 'null'}: ${data.reason}`;
    case 'error':
      return `error ${data.code}${data.retryable ? ', retryable' : ''}`;
    case 'done':
      return `done ${data.status} ${data.stop_reason} ${usageLine(data.usage)}`;
    default:
      return type;
  }
}

function usageLine(usage: Usage): string {
  const { input_tokens: input, output_tokens: output, model_calls: calls } = usage;
  return `${input}/${output} in ${calls}${usage.estimated ? ' estimated' : ''}`;
}
