import type { Socket } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * Retransmissions in a row without an answer, after which a peer counts as gone. They double their distance: the
 * sixth comes 63 times the first one's waiting time after what was sent, about 13 s on a good network.
 */
const UNANSWERED = 6;

/** Rows of open connections (states 1 and 8) whose retransmission timer (1) runs, and how often it has run out. */
const RETRANSMITTING = /: (\S+ \S+) 0[18] \S+ 01:\S+ (\S+)/g;

/** What names a connection in these tables. */
export type ConnectionKey = string;

/** @returns undefined for a socket that is not connected any more. */
export function connectionKey(socket: Socket): ConnectionKey | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (localAddress === undefined || remoteAddress === undefined) return undefined;
  return `${endpoint(localAddress, localPort ?? 0)} ${endpoint(remoteAddress, remotePort ?? 0)}`;
}

/**
 * Reads rows of `/proc/net/tcp` and `/proc/net/tcp6` (Linux, Documentation/networking/proc_net_tcp.rst). A reader
 * who is only slow is never among the result: its kernel answers, and what waits for it waits with another timer.
 * @param rows whole lines.
 * @returns connections whose peer has acknowledged nothing of what was sent to it six times again.
 */
export function unansweredConnections(rows: string): ConnectionKey[] {
  const connections: ConnectionKey[] = [];
  for (const [, connection, retransmissions] of rows.matchAll(RETRANSMITTING)) {
    if (connection !== undefined && Number.parseInt(retransmissions ?? '', 16) >= UNANSWERED)
      connections.push(connection);
  }
  return connections;
}

/** The kernel writes an address as 32-bit words in the byte order of the machine. */
function endpoint(address: string, port: number): string {
  const words = new Uint32Array(Uint8Array.from(ipaddr.parse(address).toByteArray()).buffer);
  return `${Array.from(words, (word) => hex(word, 8)).join('')}:${hex(port, 4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
