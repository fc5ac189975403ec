import type { PlacedRunEvent } from '../../../src/event-log/run-event.js';
import { ADA } from '../runs/run-bench.js';
import { eventsOf } from '../runs/event-lines.js';
import type { RunRow } from './ownership-model.js';
import { APPROVAL_TIMEOUT_MS, LEASE_MS, LONG_MS, RUN_TIMEOUT_MS } from './virtual-node.js';
import type { World } from './world.js';

/**
 * Longest a run takes when nothing disturbs it any more: a call to the store that began in silence is given up, a lease
 * runs out, somebody looks for it, and its script is played.
 */
const UNDISTURBED_MS = LONG_MS + LEASE_MS + 1_000 + 6_000;

/** Everything that is wrong with the world after a story, in words; nothing: an empty list. */
export async function faultsOf(world: World, healedAt: number): Promise<string[]> {
  const faults = [...world.model.broken, ...world.faults, ...effectFaults(world)];
  for (const model of world.models) faults.push(...model.complaints);
  for (const { row, log, whole } of world.model.known.values()) {
    const events = await eventsOf(world.log, row.id);
    if (!isSame(events.map(lineOf), log))
      faults.push(`the log of ${row.id} is ${linesOf(events)}, not ${log.join()}`);
    faults.push(
      ...listFaults(row, events, world),
      ...endFaults(row, world),
      ...(await textFaults(world, row, events)),
    );
    for (const { seen } of world.viewers.filter(({ runId }) => runId === row.id)) {
      if (!whole.some((list) => isSame(seen.map(lineOf), list)))
        faults.push(`a viewer of ${row.id} saw ${linesOf(seen)} of ${linesOf(events)}`);
    }
  }
  return [...faults, ...lateFaults(world, healedAt)];
}

/** I1 to I4: dense, attempts in order, one `done`, at the end; every call shown with its one result. */
function listFaults(row: RunRow, events: PlacedRunEvent[], { trimmed }: World): string[] {
  const faults: string[] = [];
  const attempts = events.map(({ attempt }) => attempt);
  if (events.some(({ seq }, index) => seq !== index + 1)) faults.push('seq has holes');
  if (attempts.some((attempt, index) => attempt < (attempts[index - 1] ?? 1)))
    faults.push('attempts go back');
  if (events.filter(({ type }) => type === 'done').length !== 1) faults.push('not one done');
  const last = events.at(-1);
  if (last?.type !== 'done' || (last.id !== row.last_event_id && !trimmed.has(row.id)))
    faults.push(`ends with ${last?.id}, not ${row.last_event_id}`);
  if (events[0]?.type !== 'run') faults.push(`begins with ${events[0]?.type}`);
  const shown = shownOf(events);
  const ids = (wanted: string) =>
    shown.flatMap(({ type, data }) => (type === wanted ? [(data as { id: string }).id] : [])).toSorted();
  if (
    ids('tool_call').join() !== ids('tool_result').join() ||
    new Set(ids('tool_call')).size < ids('tool_call').length
  )
    faults.push('calls without their one result');
  return faults.map((fault) => `${row.id}: ${fault}: ${linesOf(events)}`);
}

/** I5; and what needs a decision is done only after it was allowed. */
function effectFaults({ effects, requests }: World): string[] {
  const faults: string[] = [];
  for (const { name, runId, toolCallId } of effects.filter((each) => each.name === 'sign')) {
    const asked = requests.find((each) => each.runId === runId && each.callId === toolCallId);
    if (asked?.decision !== 'approve') faults.push(`${runId} ${toolCallId}: ${name} was not allowed`);
  }
  for (const { name, runId, toolCallId, idempotencyKey } of effects) {
    const same = effects.filter((each) => each.runId === runId && each.toolCallId === toolCallId);
    if (name !== 'read' && same.length > 1)
      faults.push(`${runId} ${toolCallId}: ${name} took effect ${same.length} times`);
    if (same.some((each) => each.idempotencyKey !== idempotencyKey))
      faults.push(`${toolCallId}: keys differ`);
  }
  return faults;
}

/** How it ended: as asked, and only out of time when its time was over. */
function endFaults(row: RunRow, world: World): string[] {
  const { id, status, error_code, cancel_requested_at: asked, ended_at: ended, started_at: began } = row;
  const says = (what: string) => [`${id} ${what}: ${JSON.stringify(row)}`];
  if (ended === null) return says('is not over');
  if (status === 'cancelled' && asked === null) return says('was cancelled by nobody');
  const endsAt = world.endings.get(id) ?? ended;
  const owner = world.processes.get(row.owner ?? '');
  const couldNotHear =
    owner !== undefined && Math.max(owner.pausedUntil, owner.waitedUntil) > (asked ?? ended);
  if (status !== 'cancelled' && asked !== null && endsAt - asked > LEASE_MS && !couldNotHear)
    return says('was not cancelled');
  const outOfTime = error_code === 'run_timeout' && ended - (began ?? ended) >= RUN_TIMEOUT_MS - LEASE_MS;
  if (status === 'failed' && !outOfTime) return says('failed');
  return [];
}

/** What viewers hold in the end is what is stored, and goes back to the model. */
async function textFaults(world: World, row: RunRow, events: PlacedRunEvent[]): Promise<string[]> {
  const messages = (await world.messages.list(ADA, row.session_id)).filter(({ runId }) => runId === row.id);
  const stored = messages
    .filter(({ role }) => role === 'assistant')
    .flatMap(({ content }) => content.map((block) => (block.type === 'text' ? String(block['text']) : '')))
    .join('');
  const shown = shownOf(events)
    .map((event) => (event.type === 'token' ? event.data.text : ''))
    .join('');
  return shown === stored
    ? []
    : [`${row.id} shows ${JSON.stringify(shown)}, stored is ${JSON.stringify(stored)}`];
}

/** After everything is healed no run waits for anything but those before it in its session. */
function lateFaults(world: World, healedAt: number): string[] {
  const faults: string[] = [];
  const free = new Map<string, number>();
  const rows = [...world.model.known.values()].map(({ row }) => row).toSorted((a, b) => a.number - b.number);
  for (const { id, session_id, ended_at, created_at } of rows) {
    const from = Math.max(healedAt, created_at, free.get(session_id) ?? 0);
    const took = (ended_at ?? Infinity) - from;
    // Nobody decides any more: who has asked waits until the time for that is over.
    const asked = world.requests.some(({ runId }) => runId === id) ? APPROVAL_TIMEOUT_MS : 0;
    if (took > UNDISTURBED_MS + asked) faults.push(`${id} took ${took} ms after everything was healed`);
    free.set(session_id, Math.max(from, ended_at ?? Infinity));
  }
  return faults;
}

function shownOf(events: readonly PlacedRunEvent[]): PlacedRunEvent[] {
  let shown: PlacedRunEvent[] = [];
  for (const event of events) {
    if (event.type !== 'reset') shown.push(event);
    else {
      const last = event.data.after === null ? 0 : Number(event.data.after.split('.')[2]);
      shown = shown.filter(({ seq }) => seq <= last);
    }
  }
  return shown;
}

function linesOf(events: readonly PlacedRunEvent[]): string {
  return events.map(({ attempt, seq, type }) => `${attempt}.${seq} ${type}`).join(', ');
}

const lineOf = ({ attempt, seq, type, data }: PlacedRunEvent): string =>
  `${attempt}.${seq} ${type}\t${JSON.stringify(data)}`;

const isSame = (some: string[], others: string[]): boolean => some.join('\n') === others.join('\n');
