import type { Descriptor } from '../../harness/candidate.ts';
import { entryOf, postStream, versionsOf } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'mastra',
  title: 'Mastra agent',
  version: () => versionsOf('@mastra/core', '@ai-sdk/anthropic'),
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl, MASTRA_TELEMETRY_DISABLED: '1' },
  }),
  request: postStream,
  resume: null,
  lastEvent: 'data: [DONE]',
  // Its last chunks tell the whole answer again.
  ignoredEvent: '"stepResult":',
};
export default descriptor;
