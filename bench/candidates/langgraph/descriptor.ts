import { fileURLToPath } from 'node:url';
import type { Descriptor } from '../../harness/candidate.ts';
import { modelRequest } from '../../harness/model-request.ts';
import { entryOf, versionsOf } from '../../harness/simple-candidate.ts';

const descriptor: Descriptor = {
  name: 'langgraph',
  title: 'LangGraph API server',
  version: () => versionsOf('@langchain/langgraph-api', '@langchain/langgraph', '@langchain/anthropic'),
  start: ({ port, modelUrl, folder }) => ({
    args: [entryOf(import.meta.url)],
    cwd: folder,
    env: {
      PORT: String(port),
      MODEL_URL: modelUrl,
      GRAPH: fileURLToPath(new URL('graph.ts', import.meta.url)),
      LOG_LEVEL: 'error',
      LANGSMITH_TRACING: 'false',
    },
  }),
  readyPath: '/ok',
  /** A run without a thread, streamed token by token. */
  request: (content) => ({
    method: 'POST',
    path: '/runs/stream',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({
      assistant_id: 'bench',
      input: { messages: modelRequest(content).messages },
      stream_mode: ['messages-tuple'],
    }),
  }),
  resume: null,
};
export default descriptor;
