import type { Descriptor } from '../../harness/candidate.ts';
import { entryOf, postStream, versionsOf } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'hono',
  title: 'Hono streamSSE + Anthropic SDK',
  version: () => versionsOf('hono', '@hono/node-server', '@anthropic-ai/sdk'),
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl },
  }),
  request: postStream,
  resume: null,
  lastEvent: 'event: done\n',
};
export default descriptor;
