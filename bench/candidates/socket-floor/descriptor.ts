import process from 'node:process';
import type { Descriptor, RawRequest } from '../../harness/candidate.ts';
import { entryOf, postStream, versionsOf } from '../../harness/simple-candidate.ts';

const get = (path: string): RawRequest => ({ method: 'GET', path, headers: { accept: 'text/event-stream' } });

const socket = (path: string): RawRequest => ({
  method: 'GET',
  path,
  headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
});

const descriptor: Descriptor = {
  name: 'socket-floor',
  title: 'floor: one buffer, written straight to every socket',
  version: () => `node ${process.versions.node}, ${versionsOf('ws')}`,
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl },
  }),
  request: postStream,
  resume: null,
  watch: ({ run }) => get(`/watch/${run.run}`),
  watchSocket: ({ run }) => socket(`/watch/${run.run}`),
  idle: () => get('/idle'),
  idleSocket: () => socket('/idle'),
  lastEvent: 'event: done\n',
};
export default descriptor;
