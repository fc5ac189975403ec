import type { Descriptor } from '../../harness/candidate.ts';
import { entryOf, postStream, versionsOf } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'nest-naive',
  title: 'NestJS @Sse + Anthropic SDK',
  version: () => versionsOf('@nestjs/core', '@nestjs/platform-express', '@anthropic-ai/sdk', 'rxjs'),
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl },
  }),
  request: postStream,
  resume: null,
};
export default descriptor;
