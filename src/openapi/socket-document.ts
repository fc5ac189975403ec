import { z } from 'zod';
import { type SocketEvent, socketFrame, socketRequests } from '../agent/requests.js';
import { rejectedView, socketAcks } from '../agent/views.js';
import { CONTRACT_VERSION } from './contract-version.js';
import { agentEvent, EVENT_TYPES, eventDataComponents, eventName } from './event-stream.js';
import { type ConvertedSchema, convertZod } from './zod-converter.js';

const CHANNEL = '#/channels/socket';

const SUMMARIES: Record<SocketEvent, string> = {
  start: 'Start a run, and a session where none is named; the socket watches it',
  subscribe: 'Watch a session or a run, from the beginning or after a cursor',
  unsubscribe: 'Watch it no more; what runs goes on',
  cancel: 'End a run',
  decide: 'Approve or deny a tool call that waits for it',
  ping: 'Ask for an answer',
};

interface Message {
  name: string;
  summary: string;
  payload: Record<string, unknown>;
}

type Messages = Record<string, Message>;
type Schemas = ConvertedSchema['components'];

/** The socket (wire contract §6) as AsyncAPI 3.0, from the schemas by which requests are read and answers made. */
export function socketDocument(): Record<string, unknown> {
  const schemas: Schemas = eventDataComponents();
  const requests = eventsOfClients().map((event) => describeRequest(event, schemas));
  const rejected = message('rejected', 'Why a request was refused', rejectedFrame(), schemas);
  const events = Object.fromEntries(EVENT_TYPES.map((type) => [eventName(type), logEvent(type)]));
  const messages: Messages = {
    ...Object.assign({}, ...requests.map((each) => each.messages)),
    Rejected: rejected,
    ...events,
  };
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Agentline socket',
      version: CONTRACT_VERSION,
      description: 'One JSON text frame a message. What is shown is what `/api/agent/stream` shows.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: { here: server() },
    channels: { socket: channel(Object.keys(messages)) },
    operations: {
      ...Object.assign({}, ...requests.map((each) => each.operation)),
      watch: {
        action: 'send',
        channel: { $ref: CHANNEL },
        summary: 'What happens in the runs that are watched, each event once and in order',
        messages: Object.keys(events).map(inChannel),
      },
    },
    components: { messages, schemas, securitySchemes: SECURITY },
  };
}

const SECURITY = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'Also as subprotocol: `Sec-WebSocket-Protocol: agent.v1, bearer.<token>`',
  },
  cookie: { type: 'httpApiKey', in: 'cookie', name: 'session', description: '`__Host-session` over https' },
  ticket: { type: 'httpApiKey', in: 'query', name: 'ticket', description: 'From POST /api/auth/tickets' },
};

function server() {
  return {
    host: '{host}',
    protocol: 'wss',
    description: 'The origin that serves everything else',
    variables: { host: { default: '127.0.0.1:3000' } },
    security: Object.keys(SECURITY).map((name) => ({ $ref: `#/components/securitySchemes/${name}` })),
  };
}

function channel(names: string[]) {
  return {
    address: '/api/agent/ws',
    description:
      'Subprotocol `agent.v1`. Closes with 1012 (come back), 4401 (sign in again), 1003, 1008 or 1009 (a frame was wrong).',
    messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
    bindings: {
      ws: {
        method: 'GET',
        query: { type: 'object', properties: { ticket: { type: 'string' } } },
        bindingVersion: '0.1.0',
      },
    },
  };
}

function eventsOfClients(): SocketEvent[] {
  return Object.keys(socketRequests) as SocketEvent[];
}

/** A request, its `ack`, and the operation that ties them together. */
function describeRequest(event: SocketEvent, schemas: Schemas) {
  const name = event.charAt(0).toUpperCase() + event.slice(1);
  const frame = socketFrame.extend({ event: z.literal(event), data: socketRequests[event] });
  const ack = z.strictObject({
    event: z.literal('ack'),
    ref: socketFrame.shape.ref,
    data: socketAcks[event],
  });
  const messages: Messages = {
    [name]: message(event, SUMMARIES[event], convertZod(frame, 'input'), schemas),
    [`${name}Ack`]: message('ack', `Answers \`${event}\``, convertZod(ack, 'output'), schemas),
  };
  const operation = {
    [event]: {
      action: 'receive',
      channel: { $ref: CHANNEL },
      summary: SUMMARIES[event],
      messages: [inChannel(name)],
      reply: {
        channel: { $ref: CHANNEL },
        messages: [inChannel(`${name}Ack`), inChannel('Rejected')],
      },
    },
  };
  return { messages, operation };
}

function rejectedFrame(): ConvertedSchema {
  const { ref } = socketFrame.shape;
  return convertZod(z.strictObject({ event: z.literal('rejected'), ref, data: rejectedView }), 'output');
}

function logEvent(type: (typeof EVENT_TYPES)[number]): Message {
  const data = { $ref: `#/components/schemas/${eventName(type)}Data` };
  return { name: type, summary: 'An event of a run', payload: agentEvent(type, data) };
}

function message(
  name: string,
  summary: string,
  { schema, components }: ConvertedSchema,
  schemas: Schemas,
): Message {
  Object.assign(schemas, components);
  return { name, summary, payload: schema };
}

function inChannel(name: string): { $ref: string } {
  return { $ref: `${CHANNEL}/messages/${name}` };
}
