/** An event as every viewer gets it: the three fields of which two viewers are compared. */
export interface ViewedEvent {
  event: string;
  id: string;
  data: string;
}

interface Place {
  runId: string;
  attempt: number;
  seq: number;
}

export function placeOf(id: string): Place {
  const [runId = '', attempt, seq] = id.split('.');
  return { runId, attempt: Number(attempt), seq: Number(seq) };
}

/** `data` of an event, parsed: the fields of all kinds of events. */
export interface EventData {
  run_id: string;
  session_id: string;
  status: string;
  attempt: number;
  model: string;
  text: string;
  id: string;
  name: string;
  args: unknown;
  result: unknown;
  is_error: boolean;
  duration_ms: number;
  after: string | null;
  reason: string;
  error: string;
  code: string;
  retryable: boolean;
  stop_reason: string | null;
  usage: Record<string, number | boolean>;
  cost_usd: number | null;
}

export function dataOf(event: { data: string } | undefined): EventData {
  if (event === undefined) throw new Error('there is no such event');
  return JSON.parse(event.data) as EventData;
}

/** Everything that is wrong with the list of one whole run; an empty array is a good list. */
export function faultsOf(events: ViewedEvent[]): string[] {
  const faults: string[] = [];
  const runId = events[0] && placeOf(events[0].id).runId;
  let attempt = 1;
  for (const [index, event] of events.entries()) {
    const place = placeOf(event.id);
    if (!/^run_[0-7][0-9a-hjkmnp-tv-z]{25}\.[1-9]\d*\.[1-9]\d*$/.test(event.id))
      faults.push(`bad id ${event.id}`);
    if (place.runId !== runId) faults.push(`${event.id} is of another run than ${runId}`);
    if (place.seq !== index + 1) faults.push(`${event.id} at place ${index + 1}`);
    if (place.attempt < attempt) faults.push(`${event.id} after attempt ${attempt}`);
    attempt = Math.max(attempt, place.attempt);
  }
  if (events[0]?.event !== 'run') faults.push(`begins with ${events[0]?.event}`);
  const done = events.filter((event) => event.event === 'done').length;
  if (done !== 1) faults.push(`${done} done events`);
  if (events.at(-1)?.event !== 'done') faults.push(`ends with ${events.at(-1)?.event}`);
  return faults;
}

/** What a viewer shows in the end: the list after obeying each `reset`. */
export function shownBy(events: ViewedEvent[]): ViewedEvent[] {
  let shown: ViewedEvent[] = [];
  for (const event of events) {
    if (event.event !== 'reset') {
      shown.push(event);
      continue;
    }
    const { after } = dataOf(event);
    const last = after === null ? 0 : placeOf(after).seq;
    shown = shown.filter((earlier) => placeOf(earlier.id).seq <= last);
  }
  return shown;
}

/** The answer's text as a viewer holds it in the end. */
export function textOf(events: ViewedEvent[]): string {
  return shownBy(events)
    .filter((event) => event.event === 'token')
    .map((event) => dataOf(event).text)
    .join('');
}

/** Faults in what is shown of tools: a call without its one result, or a result without a call. */
export function toolFaultsOf(events: ViewedEvent[]): string[] {
  const shown = shownBy(events);
  const ids = (type: string) => shown.filter((e) => e.event === type).map((e) => dataOf(e).id);
  const calls = ids('tool_call');
  const results = ids('tool_result');
  const unequal = [...new Set([...calls, ...results])].filter(
    (id) => calls.filter((c) => c === id).length !== 1 || results.filter((r) => r === id).length !== 1,
  );
  return unequal.map((id) => `call ${id} has not exactly one tool_call and one tool_result`);
}
