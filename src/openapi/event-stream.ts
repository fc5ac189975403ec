import { runEventData, type RunEventType } from '../event-log/run-event.js';
import { type ConvertedSchema, convertZod } from './zod-converter.js';

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

export const EVENT_TYPES = Object.keys(runEventData) as RunEventType[];

/** `tool_call` → `ToolCallEvent`. */
export function eventName(type: string): string {
  const words = type.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}Event`;
}

/**
 * The stream of a run as content of a response. `itemSchema` (OpenAPI 3.2 §4.14.3) describes each event as
 * server-sent events have it; `schema` describes the JSON of the `data` lines, for tools that know only that.
 */
export const eventStreamContent = {
  'text/event-stream': { schema: ref('StreamEventData'), itemSchema: ref('StreamEvent') },
};

/**
 * The components to which `eventStreamContent` refers: for each event its data and its frame. `AgentEvent` is an
 * event whose data is parsed: for programs that read the stream, and what a socket sends.
 */
export function eventStreamComponents(): ConvertedSchema['components'] {
  const names = EVENT_TYPES.map(eventName);
  const mapping = Object.fromEntries(EVENT_TYPES.map((type) => [type, ref(eventName(type)).$ref]));
  return Object.assign(
    {
      StreamEvent: { oneOf: names.map(ref), discriminator: { propertyName: 'event', mapping } },
      StreamEventData: { anyOf: names.map((name) => ref(`${name}Data`)) },
      AgentEvent: {
        description: 'An event of the stream with its data parsed; so a socket sends it',
        oneOf: EVENT_TYPES.map((type) => agentEvent(type, ref(`${eventName(type)}Data`))),
      },
    },
    eventDataComponents(),
    ...EVENT_TYPES.map(describeEvent),
  ) as ConvertedSchema['components'];
}

/** The data of each event, as `<Name>EventData`. */
export function eventDataComponents(): ConvertedSchema['components'] {
  const all = EVENT_TYPES.map((type) => {
    const { schema, components } = convertZod(runEventData[type], 'output');
    return { ...components, [`${eventName(type)}Data`]: schema };
  });
  return Object.assign({}, ...all) as ConvertedSchema['components'];
}

/** One event with its data parsed. A `reset` that answers a viewer's cursor is no event of the log. */
export function agentEvent(type: RunEventType, data: Record<string, unknown>): Record<string, unknown> {
  return {
    type: 'object',
    properties: { event: { type: 'string', const: type }, id: EVENT_ID, data },
    required: type === 'reset' ? ['event', 'data'] : ['event', 'id', 'data'],
    additionalProperties: false,
  };
}

const EVENT_ID = {
  type: 'string',
  description: '<run_id>.<attempt>.<seq>; the cursor. Only events of the log have one',
};

function describeEvent(type: RunEventType): ConvertedSchema['components'] {
  const name = eventName(type);
  return {
    [name]: {
      type: 'object',
      properties: {
        event: { type: 'string', const: type },
        id: EVENT_ID,
        data: { type: 'string', contentMediaType: 'application/json', contentSchema: ref(`${name}Data`) },
        retry: { type: 'integer', description: 'Milliseconds to wait before reconnecting' },
      },
      required: ['event', 'data'],
    },
  };
}
