import type { Open } from '../auth/access.decorator.js';
import type { ErrorCode } from '../errors/error-codes.js';
import { problem } from '../errors/problem.js';
import { eventStreamComponents, eventStreamContent } from './event-stream.js';
import { refusalResponses } from './refusals.js';
import { convertZod, OPTIONAL } from './zod-converter.js';

const STREAM = '/api/agent/stream';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const LAST_EVENT_ID = {
  name: 'Last-Event-ID',
  in: 'header' as const,
  required: false,
  description: 'Cursor: what follows this event of its run is sent. EventSource sends it by itself.',
  schema: { type: 'string' },
};

const TICKET = {
  name: 'ticket',
  in: 'query' as const,
  required: false,
  description: 'A ticket for this session, where neither header nor cookie can be sent',
  schema: { type: 'string' },
};

/** An `EventSource` gives up at these for good, so the stream answers otherwise: see StreamProblemFilter. */
const NEVER_TO_BROWSERS = ['429', '503', '507'];

/** What Nest's description of a route leaves out. */
export interface RouteAccess {
  open: Open | undefined;
  acceptsTicket: boolean;
  refusals: readonly ErrorCode[];
}

/** The parts of an OpenAPI document that are completed here. */
interface Description {
  paths: Record<string, Partial<Record<(typeof METHODS)[number], Operation>>>;
  components?: { schemas?: object };
}

interface Operation {
  operationId?: string;
  parameters?: object[];
  requestBody?: object;
  responses: Record<string, unknown>;
  security?: object[];
}

interface Body {
  required?: boolean;
  content: Record<string, { schema: Record<string, unknown> }>;
}

/**
 * Adds what the controllers' own metadata cannot say: the streams, how every route refuses, and which ask for
 * nobody.
 * @param access by operation id
 */
export function completeDocument<D extends Description>(document: D, access: Map<string, RouteAccess>): D {
  const schemas = {
    ...document.components?.schemas,
    ...convertZod(problem, 'output').components,
    ...eventStreamComponents(),
  };
  document.components = { ...document.components, schemas: sorted(schemas) };
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation) complete(operation, method, path, access.get(operation.operationId ?? ''));
    }
  }
  describeStream(document.paths[STREAM]);
  document.paths = sorted(document.paths);
  return document;
}

/** By name: in which order modules are named says nothing about the API. */
function sorted<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1))) as T;
}

function complete(operation: Operation, method: string, path: string, access?: RouteAccess): void {
  const { open, acceptsTicket, refusals = [] } = access ?? {};
  if (acceptsTicket) addParameters(operation, [TICKET]);
  if (open === 'always') operation.security ??= [];
  if (open === 'outside-production') operation.security ??= [{ bearer: [] }, { cookie: [] }, {}];
  nameIds(operation, path);
  if (operation.requestBody) markOptional(operation.requestBody as Body);
  const refused = refusalResponses({
    method,
    isOpen: open === 'always',
    hasBody: operation.requestBody !== undefined,
    hasPathParameters: path.includes('{'),
    own: acceptsTicket ? ['cross_site', ...refusals] : refusals,
  });
  operation.responses = { ...operation.responses, ...refused };
}

/** `/runs/{id}`: the id of a run. */
function nameIds({ parameters = [] }: Operation, path: string): void {
  for (const parameter of parameters as { name: string; in: string; description?: string }[]) {
    const [, things] = new RegExp(`/([a-z_]+)s?/\\{${parameter.name}\\}`).exec(path) ?? [];
    if (parameter.in !== 'path' || things === undefined) continue;
    parameter.description ??= `Id of the ${things.replace(/s$/, '').replaceAll('_', ' ')}`;
  }
}

/** Nest says of every body that it is required. */
function markOptional(body: Body): void {
  for (const { schema } of Object.values(body.content)) {
    if (schema[OPTIONAL] === undefined) continue;
    delete schema[OPTIONAL];
    body.required = false;
  }
}

function describeStream({ get, post }: Description['paths'][string] = {}): void {
  const events = { description: 'The events of the run, from the log', content: eventStreamContent };
  if (get) {
    get.responses['200'] = {
      ...events,
      description: `${events.description}; none, and \`retry:\`, while they cannot be read`,
    };
    for (const status of NEVER_TO_BROWSERS) delete get.responses[status];
    get.responses['204'] = { description: 'The cursor is a `done`: nothing follows, and nothing will' };
    addParameters(get, [LAST_EVENT_ID]);
  }
  if (post) {
    delete post.responses['201'];
    post.responses['200'] = events;
    addParameters(post, [LAST_EVENT_ID]);
  }
}

function addParameters(operation: Operation, added: { name: string }[]): void {
  const names = added.map(({ name }) => name.toLowerCase());
  // Names of headers have no case (RFC 9110 §5.1).
  const isAdded = (parameter: object) =>
    'name' in parameter && names.includes(String(parameter.name).toLowerCase());
  operation.parameters = [...(operation.parameters ?? []).filter((each) => !isAdded(each)), ...added];
}
