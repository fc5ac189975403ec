import type { Descriptor } from '../../harness/candidate.ts';
import { entryOf, postStream, versionsOf } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'ai-sdk',
  title: 'AI SDK',
  version: () => versionsOf('ai', '@ai-sdk/anthropic'),
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl },
  }),
  request: postStream,
  resume: null,
  lastEvent: 'data: [DONE]',
};
export default descriptor;
