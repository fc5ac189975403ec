import { readdirSync } from 'node:fs';
import { send } from '../api.js';

/** To be given to a server whose measures a test reads. */
export const METRICS_ENV = { METRICS_TOKEN: 'a-token-for-the-measures-of-a-test' };

/** The measures of a server by name and labels, as `/metrics` writes them. */
export async function measuresOf(url: string): Promise<Map<string, number>> {
  const { METRICS_TOKEN } = METRICS_ENV;
  const answer = await send('GET', `${url}/metrics`, undefined, { authorization: `Bearer ${METRICS_TOKEN}` });
  if (answer.status !== 200) throw new Error(`the measures: ${answer.status} ${answer.text}`);
  const lines = answer.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const blank = line.lastIndexOf(' ');
      return [line.slice(0, blank), Number(line.slice(blank + 1))];
    }),
  );
}

/** Streams that the server holds open now. */
export async function streamsOpen(url: string): Promise<{ sse: number; websocket: number }> {
  const measures = await measuresOf(url);
  const of = (transport: string) => measures.get(`agentline_streams_open{transport="${transport}"}`) ?? NaN;
  return { sse: of('sse'), websocket: of('websocket') };
}

/** Open files and sockets of a process of this machine (Linux). */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
