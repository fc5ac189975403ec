import { problem } from '../errors/problem.js';
import { eventStreamComponents, eventStreamContent } from './event-stream.js';
import { convertZod } from './zod-converter.js';

const STREAM = '/api/agent/stream';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const LAST_EVENT_ID = {
  name: 'Last-Event-ID',
  in: 'header' as const,
  required: false,
  description: 'Cursor: what follows this event of its run is sent. EventSource sends it by itself.',
  schema: { type: 'string' },
};

/** The parts of an OpenAPI document that are completed here. */
interface Description {
  paths: Record<string, Partial<Record<(typeof METHODS)[number], Operation>>>;
  components?: { schemas?: object };
}

interface Operation {
  operationId?: string;
  parameters?: object[];
  responses: Record<string, unknown>;
  security?: object[];
}

/**
 * Adds what the controllers' own metadata cannot say: the streams, how every refusal looks, and which routes ask
 * for nobody.
 * @param isOpen by operation id
 */
export function completeDocument<D extends Description>(document: D, isOpen: (id: string) => boolean): D {
  const schemas = {
    ...document.components?.schemas,
    ...convertZod(problem, 'output').components,
    ...eventStreamComponents(),
  };
  document.components = { ...document.components, schemas };
  for (const operation of Object.values(document.paths).flatMap(operationsOf)) {
    operation.responses['default'] ??= {
      description: 'Refused: problem details (RFC 9457)',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
    if (isOpen(operation.operationId ?? '')) operation.security ??= [];
  }
  describeStream(document.paths[STREAM]);
  return document;
}

function operationsOf(path: Description['paths'][string]): Operation[] {
  return METHODS.flatMap((method) => path[method] ?? []);
}

function describeStream({ get, post }: Description['paths'][string] = {}): void {
  const events = { description: 'The events of the run, from the log', content: eventStreamContent };
  if (get) {
    get.responses['200'] = events;
    get.responses['204'] = { description: 'The cursor is a `done`: nothing follows, and nothing will' };
    get.parameters = [
      ...(get.parameters ?? []).filter((parameter) => !isLastEventId(parameter)),
      LAST_EVENT_ID,
    ];
  }
  if (post) {
    delete post.responses['201'];
    post.responses['200'] = events;
  }
}

/** Names of headers have no case (RFC 9110 §5.1). */
function isLastEventId(parameter: object): boolean {
  return 'name' in parameter && String(parameter.name).toLowerCase() === LAST_EVENT_ID.name.toLowerCase();
}
