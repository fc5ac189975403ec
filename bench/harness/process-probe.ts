import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { answerCalls } from './calls.ts';

/**
 * Loaded by `--import` into every candidate, which stays as it is: answers what the process has used so far. CPU
 * time is that of all its threads, garbage collection included.
 */
export interface CpuTime {
  /** Microseconds. */
  user: number;
  system: number;
}

export interface MemoryUse {
  /** Bytes. */
  rss: number;
  heapUsed: number;
  external: number;
}

/** Of the event loop, in milliseconds, as a timer of one millisecond sees it. Costs about 2 % of a core meanwhile. */
export interface LoopDelay {
  p50: number;
  p99: number;
  max: number;
  /** Most CPU time of the thread between two looks: what the process itself held the loop up, not the machine. */
  busy: number;
}

const RESOLUTION_MS = 1;
let delays: ReturnType<typeof monitorEventLoopDelay> | undefined;
let looks: NodeJS.Timeout | undefined;
let busiest = 0;

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}

function beginLoop(): void {
  delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  busiest = 0;
  let last = threadMs();
  looks = setInterval(() => {
    const now = threadMs();
    busiest = Math.max(busiest, now - last);
    last = now;
  }, RESOLUTION_MS);
}

const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);

function endLoop(): LoopDelay {
  const result = {
    p50: late(delays?.percentile(50) ?? 0),
    p99: late(delays?.percentile(99) ?? 0),
    max: late(delays?.max ?? 0),
    busy: busiest,
  };
  delays?.disable();
  clearInterval(looks);
  delays = undefined;
  return result;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

let profiling: Session | undefined;

answerCalls({
  profileStart: async () => {
    profiling = new Session();
    profiling.connect();
    await profiling.post('Profiler.enable');
    await profiling.post('Profiler.setSamplingInterval', { interval: 500 });
    await profiling.post('Profiler.start');
  },
  /** Writes what was used since the start, for the developer tools of a browser. */
  profileStop: async (file: string) => {
    const stopped = await profiling?.post('Profiler.stop');
    profiling?.disconnect();
    writeFileSync(file, JSON.stringify(stopped?.profile));
  },
  cpu: (): CpuTime => process.cpuUsage(),
  /** Without a collection before: cheap enough to be asked while a run streams. */
  memoryNow: (): MemoryUse => process.memoryUsage(),
  memory: async (): Promise<MemoryUse> => {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    return process.memoryUsage();
  },
  loopBegin: beginLoop,
  loopEnd: endLoop,
  versions: () => ({ node: process.versions.node, v8: process.versions.v8 }),
});
