import { Api, type RunBody } from '../api.js';
import { faultsOf, placeOf, toolFaultsOf, type ViewedEvent } from '../event-list.js';
import { readSse } from '../sse-client.js';
import type { Cluster } from './cluster.js';
import type { Held } from './cluster-node.js';
import { nameOf } from './plan.js';
import type { Target, Viewer } from './viewer.js';

/** What a story hands to the checker. */
export interface Evidence {
  targets: Target[];
  viewers: Viewer[];
  /** Runs may have failed: the story took a store away for long. */
  mayFail?: boolean;
  /** A store has lost its logs: who saw the end of a run before that holds what its log was then. */
  mayLose?: boolean;
}

const IDEMPOTENT = ['take_effect_again', 'block_loop'];
/** How many runs are read again at one time. */
const AT_ONCE = 20;

/**
 * Checks I1 to I6 from outside, when all is over: what viewers saw, the log read again from every server, what
 * the world saw of tools, and the database. Also that the model never was asked what the service would refuse.
 * @returns what is wrong; empty when all holds.
 */
export async function faultsIn(cluster: Cluster, evidence: Evidence): Promise<string[]> {
  const faults = cluster.upstream.complaints.map((complaint) => `model: ${complaint}`);
  for (let from = 0; from < evidence.targets.length; from += AT_ONCE) {
    const part = evidence.targets.slice(from, from + AT_ONCE);
    const found = await Promise.all(part.map((target) => faultsOfRun(cluster, target, evidence)));
    faults.push(...found.flat());
  }
  faults.push(...repeatedEffects(cluster));
  if (cluster.log === 'sql') faults.push(...(await staleWrites(cluster)));
  return faults;
}

async function faultsOfRun(cluster: Cluster, target: Target, evidence: Evidence): Promise<string[]> {
  const name = `${nameOf(target.content)} (${target.runId})`;
  const logs = await Promise.all(cluster.nodes.map((_, node) => readWhole(cluster.api(node), target)));
  const [log = []] = logs;
  const faults = [...faultsOf(log), ...toolFaultsOf(log)];
  for (const [node, other] of logs.entries()) {
    const difference = differenceOf(log, other);
    if (difference) faults.push(`node ${node} reads another log than node 0: ${difference}`);
  }
  for (const viewer of evidence.viewers.filter((each) => each.target.runId === target.runId)) {
    faults.push(...faultsOfViewer(viewer, log, evidence.mayLose === true));
  }
  const runs = await Promise.all(cluster.nodes.map((_, node) => cluster.api(node).run(target.runId)));
  faults.push(...runs.flatMap((run) => faultsOfState(run, log, evidence.mayFail === true)));
  return faults.map((fault) => `${name}: ${fault}`);
}

/** I1, I2, I3: all that was seen is in the log, once and in its order, and nothing is missing. */
function faultsOfViewer(viewer: Viewer, log: ViewedEvent[], mayLose: boolean): string[] {
  const faults = [...viewer.problems];
  const wasBefore = viewer.isDone && attemptOf(viewer.list.at(-1)) < attemptOf(log[0]);
  if (mayLose && wasBefore) return [...faults, ...faultsOf(viewer.events)];
  const seqs = viewer.list.map(({ id }) => placeOf(id).seq);
  if (new Set(seqs).size < seqs.length) faults.push('events doubled by (run, seq)');
  const known = new Map(log.map((event) => [event.id, event]));
  const foreign = viewer.events.filter(({ id, event, data }) => {
    const same = known.get(id);
    return same?.event !== event || same.data !== data;
  });
  if (foreign.length > 0) faults.push(`${foreign.length} events seen and not in the log: ${foreign[0]?.id}`);
  if (viewer.isDone) {
    const difference = differenceOf(log, viewer.events);
    if (difference) faults.push(`seen otherwise: ${difference}`);
  }
  return faults;
}

function attemptOf(event: ViewedEvent | undefined): number {
  return event === undefined ? 0 : placeOf(event.id).attempt;
}

function faultsOfState(run: RunBody, log: ViewedEvent[], mayFail: boolean): string[] {
  const done = log.at(-1);
  if (done?.event !== 'done') return [];
  const { status } = JSON.parse(done.data) as { status: string };
  const faults: string[] = [];
  if (run.status !== status) faults.push(`the run is ${run.status}, its done says ${status}`);
  if (run.last_event_id !== done.id)
    faults.push(`the run ends at ${run.last_event_id}, its log at ${done.id}`);
  if (status === 'failed' && !mayFail) faults.push(`failed: ${log.at(-2)?.data}`);
  return faults;
}

/** I5: what is not idempotent took effect once at most, and what is did so under one key. */
function repeatedEffects({ effects }: Cluster): string[] {
  const calls = Map.groupBy(effects.list, ({ runId, toolCallId }) => `${runId} ${toolCallId}`);
  return [...calls].flatMap(([call, list]) => {
    const [first] = list;
    const keys = new Set(list.map(({ idempotencyKey }) => idempotencyKey)).size;
    if (keys > 1) return [`${call}: ${keys} idempotency keys`];
    if (list.length === 1 || IDEMPOTENT.includes(first!.tool)) return [];
    return [`${call}: ${first!.tool} took effect ${list.length} times`];
  });
}

/** I6: once an attempt has written, no earlier one has; pages neither overlap nor leave holes. */
async function staleWrites(cluster: Cluster): Promise<string[]> {
  const rows = await cluster.query<{ run_id: string; first_seq: string; last_seq: string; attempt: number }>(
    'select run_id, first_seq, last_seq, attempt from run_pages order by run_id, first_seq',
  );
  return rows.flatMap((row, index) => {
    const before = rows[index - 1];
    if (before === undefined || before.run_id !== row.run_id) return [];
    const faults: string[] = [];
    const at = `${row.run_id} at ${row.first_seq}`;
    if (row.attempt < before.attempt)
      faults.push(`${at}: attempt ${row.attempt} wrote after ${before.attempt}`);
    if (Number(row.first_seq) !== Number(before.last_seq) + 1)
      faults.push(`${at}: follows ${before.last_seq}`);
    return faults;
  });
}

/** The run's whole log as a new viewer gets it. */
export async function readWhole(api: Api, { sessionId, runId }: Target): Promise<ViewedEvent[]> {
  const url = api.streamUrl({ session_id: sessionId, run_id: runId });
  return (await readSse(url, { headers: api.authorization })).events;
}

function differenceOf(one: ViewedEvent[], other: ViewedEvent[]): string | undefined {
  const length = Math.max(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const [a, b] = [one[at], other[at]];
    if (a?.id === b?.id && a?.event === b?.event && a?.data === b?.data) continue;
    return `at place ${at + 1} of ${one.length}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`;
  }
  return undefined;
}

/** Differences that are nothing: keep-alive connections of the moment, compiled code, a page of the heap. */
const SLACK = { fds: 12, handles: 12, heapBytes: 16 * 1024 * 1024 };

/** I7: what each server holds, against what it held before the faults. */
export function leaksBetween(before: Held[], after: Held[]): string[] {
  return after.flatMap((held, node) => {
    const base = before[node]!;
    const faults: string[] = [];
    for (const measure of ['fds', 'handles', 'heapBytes'] as const) {
      const most = base[measure] * 1.1 + SLACK[measure];
      if (held[measure] > most) faults.push(`node ${node}: ${measure} ${base[measure]} -> ${held[measure]}`);
    }
    if (held.streams > 0) faults.push(`node ${node}: ${held.streams} streams are open`);
    if (held.runs > 0) faults.push(`node ${node}: works on ${held.runs} runs`);
    return faults;
  });
}
