import type { Descriptor } from '../../harness/candidate.ts';
import { entryOf, postStream, versionsOf } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'better-sse',
  title: 'better-sse channel + Anthropic SDK',
  version: () => versionsOf('better-sse', '@anthropic-ai/sdk'),
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl },
  }),
  request: postStream,
  resume: null,
  watch: ({ run }) => ({
    method: 'GET',
    path: `/watch/${run.run}`,
    headers: { accept: 'text/event-stream' },
  }),
  idle: () => ({ method: 'GET', path: '/idle', headers: { accept: 'text/event-stream' } }),
  lastEvent: 'event:done\n',
};
export default descriptor;
