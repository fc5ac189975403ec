import { AgentlineClient } from 'agentline/client';

/** The API as everybody has it; the cookie of this page goes along by itself. Who waits for a click waits seconds. */
export const client = new AgentlineClient({ url: location.origin, attempts: 3, pause });

/** Waits, but no longer than until the network is back. */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener('online', end);
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener('online', end);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
  });
}
