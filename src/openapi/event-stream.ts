import { runEventData, type RunEventType } from '../event-log/run-event.js';
import { type ConvertedSchema, convertZod } from './zod-converter.js';

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** `tool_call` → `ToolCallEvent`. */
function eventName(type: string): string {
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

/** The components to which `eventStreamContent` refers: for each event its data and its frame. */
export function eventStreamComponents(): ConvertedSchema['components'] {
  const types = Object.keys(runEventData) as RunEventType[];
  const names = types.map(eventName);
  return Object.assign(
    {
      StreamEvent: { oneOf: names.map(ref) },
      StreamEventData: { anyOf: names.map((name) => ref(`${name}Data`)) },
    },
    ...types.map(describeEvent),
  ) as ConvertedSchema['components'];
}

function describeEvent(type: RunEventType): ConvertedSchema['components'] {
  const name = eventName(type);
  const data = convertZod(runEventData[type], 'output');
  return {
    ...data.components,
    [`${name}Data`]: data.schema,
    [name]: {
      type: 'object',
      properties: {
        event: { const: type },
        id: { type: 'string', description: '<run_id>.<attempt>.<seq>; only events of the log have one' },
        data: { type: 'string', contentMediaType: 'application/json', contentSchema: ref(`${name}Data`) },
        retry: { type: 'integer', description: 'Milliseconds to wait before reconnecting' },
      },
      required: ['event', 'data'],
    },
  };
}
