import type { Descriptor } from '../../harness/candidate.ts';
import { entryOf, postStream, versionsOf } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'http-sdk',
  title: 'node:http + Anthropic SDK',
  version: () => versionsOf('@anthropic-ai/sdk'),
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl },
  }),
  request: postStream,
  resume: null,
};
export default descriptor;
