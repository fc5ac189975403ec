import process from 'node:process';
import type { Descriptor } from '../../harness/candidate.ts';
import { entryOf, postStream } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'pipe',
  title: 'pipe: node:http, bytes untouched',
  version: () => `node ${process.versions.node}`,
  start: ({ port, modelUrl }) => ({
    args: [entryOf(import.meta.url)],
    env: { PORT: String(port), MODEL_URL: modelUrl },
  }),
  request: postStream,
  resume: null,
};
export default descriptor;
