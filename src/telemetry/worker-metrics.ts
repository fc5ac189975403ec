import cluster, { type Worker } from 'node:cluster';
import {
  AggregatorRegistry,
  type MetricObjectWithValues,
  type MetricValue,
  type Registry,
} from 'prom-client';

/** Milliseconds in which a worker tells its measures, else they are left out; and in which the supervisor has all. */
const TELL_MS = 2_000;
const ANSWER_MS = 5_000;

type Measures = MetricObjectWithValues<MetricValue<string>>[];

/** Between a worker that is asked for the measures of all, the supervisor, and the workers that have them. */
type Message =
  | { agentline: 'metrics?' }
  | { agentline: 'metrics'; text: string }
  | { agentline: 'own metrics offered' }
  | { agentline: 'own metrics?' }
  | { agentline: 'own metrics'; measures: Measures };

/**
 * Of the supervisor: answers each worker that asks with the measures of all, added up, or averaged where a sum means
 * nothing. Whoever scrapes meets one of the workers, and must not see that one alone.
 */
export function gatherMetrics(): void {
  const offering = new Set<Worker>();
  cluster.on('exit', (worker) => offering.delete(worker));
  cluster.on('message', (worker, message: unknown) => {
    if (says(message, 'own metrics offered')) offering.add(worker);
    // Without an answer the worker says that it has none.
    if (says(message, 'metrics?')) answer(worker, offering).catch(() => undefined);
  });
}

async function answer(asking: Worker, offering: Iterable<Worker>): Promise<void> {
  const connected = [...offering].filter((worker) => worker.isConnected());
  const told = await Promise.all(connected.map(ownMetricsOf));
  const text = await AggregatorRegistry.aggregate(told).metrics();
  if (asking.isConnected()) asking.send({ agentline: 'metrics', text } satisfies Message);
}

/** Nothing of a worker that does not answer in time. */
function ownMetricsOf(worker: Worker): Promise<Measures> {
  const { promise, resolve } = Promise.withResolvers<Measures>();
  const listen = (message: unknown) => {
    if (says(message, 'own metrics')) resolve(message.measures);
  };
  const timer = setTimeout(() => resolve([]), TELL_MS);
  worker.on('message', listen);
  worker.send({ agentline: 'own metrics?' } satisfies Message);
  return promise.finally(() => {
    clearTimeout(timer);
    worker.off('message', listen);
  });
}

/** Of a worker: its own measures, whenever the supervisor gathers them. */
export function offerMetrics(registries: Registry[]): void {
  process.on('message', (message) => {
    if (says(message, 'own metrics?')) void tell(registries);
  });
  send({ agentline: 'own metrics offered' });
}

async function tell(registries: Registry[]): Promise<void> {
  const measures = await Promise.all(registries.map((registry) => registry.getMetricsAsJSON()));
  send({ agentline: 'own metrics', measures: measures.flat() });
}

/** Of a worker: the measures of all. @throws when the supervisor does not answer in time. */
export async function metricsOfAll(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const listen = (message: unknown) => {
    if (says(message, 'metrics')) resolve(message.text);
  };
  const timer = setTimeout(() => reject(new Error('The supervisor does not answer.')), ANSWER_MS);
  process.on('message', listen);
  send({ agentline: 'metrics?' });
  return promise.finally(() => {
    clearTimeout(timer);
    process.off('message', listen);
  });
}

function send(message: Message): void {
  // A worker outlives its supervisor for as long as its runs need.
  if (process.connected) process.send?.(message);
}

function says<W extends Message['agentline']>(
  message: unknown,
  what: W,
): message is Extract<Message, { agentline: W }> {
  return (
    typeof message === 'object' && message !== null && 'agentline' in message && message.agentline === what
  );
}
