import { describe, expect, it } from '@jest/globals';
import type { ModelEvent } from '../language-model.js';
import { WireDecoder } from './wire-decoder.js';

interface Outcome {
  events: ModelEvent[];
  failure: string | null;
}

interface Story {
  title: string;
  wire: string;
  events: ModelEvent[];
  failure?: string;
}

function play(chunks: Uint8Array[]): Outcome {
  const decoder = new WireDecoder();
  const events = chunks.flatMap((chunk) => decoder.decode(chunk));
  decoder.end();
  return { events, failure: decoder.failure?.code ?? null };
}

const USED = {
  input_tokens: 7,
  output_tokens: 3,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};
const BEGUN = { ...USED, output_tokens: 1 };
const START: ModelEvent = { type: 'start', model: 'claude-x', usage: BEGUN, messageId: 'msg_1' };
const TOLD: ModelEvent = { type: 'usage', usage: USED };
const STOP: ModelEvent = { type: 'stop', stopReason: 'end_turn', usage: USED, unfinished: false };

const BEGIN = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-x","stop_reason":null,"usage":{"input_tokens":7,"output_tokens":1}}}

`;
const END = `event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}

event: message_stop
data: {"type":"message_stop"}

`;

const lines = (...data: string[]) => data.map((line) => `data: ${line}\n\n`).join('');

const STORIES: Story[] = [
  {
    title: 'hands text out delta by delta and closes it with an empty block',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße, "}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"世界 🌍"}}',
      '{"type":"content_block_stop","index":0}',
    )}${END}`,
    events: [
      START,
      { type: 'text', block: 0, text: 'Grüße, ' },
      { type: 'text', block: 0, text: '世界 🌍' },
      { type: 'block', block: 0, content: { type: 'text', text: '' } },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'reads CRLF, comments, trailing blanks and pings that stand anywhere',
    wire: [
      ': hello\r\n\r\nevent: ping\r\ndata: {"type": "ping"}\r\n\r\n',
      BEGIN.replaceAll('\n', '\r\n').replace('}}}\r', '}}}     \r'),
      'event: ping\r\ndata:\r\n\r\n',
      END.replaceAll('\n', '\r\n'),
    ].join(''),
    events: [START, TOLD, STOP],
  },
  {
    title: 'takes text that stands on the start of its block as text',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hi"}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" you"}}',
      '{"type":"content_block_stop","index":0}',
    )}${END}`,
    events: [
      START,
      { type: 'text', block: 0, text: 'Hi' },
      { type: 'text', block: 0, text: ' you' },
      { type: 'block', block: 0, content: { type: 'text', text: '' } },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'joins the input of a tool call and parses it once',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"add","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\": 1, \\"b"}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\\": \\"ü\\"}"}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}',
      '{"type":"message_stop"}',
    )}`,
    events: [
      START,
      {
        type: 'block',
        block: 0,
        content: { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1, b: 'ü' } },
      },
      TOLD,
      { type: 'stop', stopReason: 'tool_use', usage: USED, unfinished: false },
    ],
  },
  {
    title: 'takes one empty delta, or none, for an empty input',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"now","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_2","name":"now"}}',
      '{"type":"content_block_stop","index":1}',
    )}${END}`,
    events: [
      START,
      { type: 'block', block: 0, content: { type: 'tool_use', id: 'toolu_1', name: 'now', input: {} } },
      { type: 'block', block: 1, content: { type: 'tool_use', id: 'toolu_2', name: 'now', input: {} } },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'keeps an input that is complete on the start of its block',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"add","input":{"a":1}}}',
      '{"type":"content_block_stop","index":0}',
    )}${END}`,
    events: [
      START,
      { type: 'block', block: 0, content: { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: 1 } } },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'marks an input that is no JSON object, with its raw text',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"add","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\": oops"}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_2","name":"add","input":{}}}',
      '{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"[1]"}}',
      '{"type":"content_block_stop","index":1}',
    )}${END}`,
    events: [
      START,
      {
        type: 'block',
        block: 0,
        content: { type: 'tool_use', id: 'toolu_1', name: 'add', input: { INVALID_JSON: '{"a": oops' } },
      },
      {
        type: 'block',
        block: 1,
        content: { type: 'tool_use', id: 'toolu_2', name: 'add', input: { INVALID_JSON: '[1]' } },
      },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'mends half a character in an input, which would be refused when it goes back',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"add","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\": [\\"x\\\\ud83d\\", \\"\\\\ud83d\\\\ude00\\"]}"}}',
      '{"type":"content_block_stop","index":0}',
    )}${END}`,
    events: [
      START,
      {
        type: 'block',
        block: 0,
        content: { type: 'tool_use', id: 'toolu_1', name: 'add', input: { a: ['x\ufffd', '😀'] } },
      },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'leaves out a tool call that max_tokens cut off, and says so',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"add","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\": 1"}}',
      '{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":3}}',
      '{"type":"message_stop"}',
    )}`,
    events: [START, TOLD, { type: 'stop', stopReason: 'max_tokens', usage: USED, unfinished: true }],
  },
  {
    title: 'says unfinished as well when the cut tool call was closed',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"add","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\":"}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":3}}',
      '{"type":"message_stop"}',
    )}`,
    events: [
      START,
      {
        type: 'block',
        block: 0,
        content: { type: 'tool_use', id: 'toolu_1', name: 'add', input: { INVALID_JSON: '{"a":' } },
      },
      TOLD,
      { type: 'stop', stopReason: 'max_tokens', usage: USED, unfinished: true },
    ],
  },
  {
    title: 'gives text that max_tokens cut off its block',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Half"}}',
      '{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":3}}',
      '{"type":"message_stop"}',
    )}`,
    events: [
      START,
      { type: 'text', block: 0, text: 'Half' },
      TOLD,
      { type: 'block', block: 0, content: { type: 'text', text: '' } },
      { type: 'stop', stopReason: 'max_tokens', usage: USED, unfinished: false },
    ],
  },
  {
    title: 'reads a whole answer from message_start',
    wire: lines(
      '{"type":"message_start","message":{"model":"claude-x","content":[{"type":"text","text":"Done."},{"type":"tool_use","id":"toolu_1","name":"roll","input":{"player":"p2"},"caller":{"type":"code_execution_20250825","tool_id":"srv_1"}}],"stop_reason":"tool_use","usage":{"input_tokens":7,"output_tokens":1}}}',
      '{"type":"message_stop"}',
    ),
    events: [
      { ...START, messageId: undefined },
      { type: 'text', block: 0, text: 'Done.' },
      { type: 'block', block: 0, content: { type: 'text', text: '' } },
      {
        type: 'block',
        block: 1,
        content: {
          type: 'tool_use',
          id: 'toolu_1',
          name: 'roll',
          input: { player: 'p2' },
          caller: { type: 'code_execution_20250825', tool_id: 'srv_1' },
        },
      },
      { type: 'stop', stopReason: 'tool_use', usage: BEGUN, unfinished: false },
    ],
  },
  {
    title: 'keeps reasoning with the signature byte for byte, also after text',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"thinking","thinking":"So ","signature":""}}',
      '{"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":"two","estimated_tokens":4}}',
      '{"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":" it is"}}',
      '{"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"old"}}',
      '{"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"Eq+/=="}}',
      '{"type":"content_block_stop","index":1}',
    )}${END}`,
    events: [
      START,
      { type: 'block', block: 0, content: { type: 'text', text: '' } },
      { type: 'thinking', text: 'So ' },
      { type: 'thinking', text: 'two' },
      { type: 'thinking', text: ' it is' },
      {
        type: 'block',
        block: 1,
        content: { type: 'thinking', thinking: 'So two it is', signature: 'Eq+/==' },
      },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'keeps blocks that have no delta',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"xyz"}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"srv_1","content":[{"url":"u"}]}}',
      '{"type":"content_block_stop","index":1}',
    )}${END}`,
    events: [
      START,
      { type: 'block', block: 0, content: { type: 'redacted_thinking', data: 'xyz' } },
      {
        type: 'block',
        block: 1,
        content: { type: 'web_search_tool_result', tool_use_id: 'srv_1', content: [{ url: 'u' }] },
      },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'adds citations to their text block',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"","citations":null}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"url":"a"}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Cited"}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"url":"b"}}}',
      '{"type":"content_block_stop","index":0}',
    )}${END}`,
    events: [
      START,
      { type: 'text', block: 0, text: 'Cited' },
      {
        type: 'block',
        block: 0,
        content: { type: 'text', text: '', citations: [{ url: 'a' }, { url: 'b' }] },
      },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'takes a compaction as the whole value',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":null}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"Summary"}}',
      '{"type":"content_block_stop","index":0}',
    )}${END}`,
    events: [
      START,
      { type: 'block', block: 0, content: { type: 'compaction', content: 'Summary' } },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'hands events and deltas it does not know on as they came, and keeps blocks it does not know',
    wire: `${BEGIN}${lines(
      '{"type":"weather_report","sun":true}',
      '{"type":"content_block_start","index":0,"content_block":{"type":"hologram","depth":3}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"depth_delta","depth":4}}',
      '{"type":"content_block_stop","index":0}',
    )}${END}`,
    events: [
      START,
      { type: 'unknown', raw: { type: 'weather_report', sun: true } },
      {
        type: 'unknown',
        raw: { type: 'content_block_delta', index: 0, delta: { type: 'depth_delta', depth: 4 } },
      },
      { type: 'block', block: 0, content: { type: 'hologram', depth: 3 } },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'tells a stop reason it does not know as it is, and why an answer was refused',
    wire: `${BEGIN}${lines(
      '{"type":"message_delta","delta":{"stop_reason":"sunset","stop_details":{"type":"refusal","category":"cyber","explanation":"No.","recommended_model":"claude-y"}}}',
      '{"type":"message_stop"}',
    )}`,
    events: [
      START,
      {
        type: 'stop',
        stopReason: 'sunset',
        usage: BEGUN,
        unfinished: false,
        details: { type: 'refusal', category: 'cyber', explanation: 'No.' },
      },
    ],
  },
  {
    title: 'reads a refusal without a category',
    wire: `${BEGIN}${lines(
      '{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":null,"explanation":null}}}',
      '{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":null}}',
      '{"type":"message_stop"}',
    )}`,
    events: [
      START,
      {
        type: 'stop',
        stopReason: 'refusal',
        usage: BEGUN,
        unfinished: false,
        details: { type: 'refusal', category: null, explanation: null },
      },
    ],
  },
  {
    title: 'keeps every digit of the numbers in the input of a tool, in pieces or at once',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"find","input":{}}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"id\\":12345678"}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"901234567890}"}}',
      '{"type":"content_block_stop","index":0}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_2","name":"find","input":{"id":12345678901234567890}}}',
      '{"type":"content_block_stop","index":1}',
    )}${END}`,
    events: [
      START,
      {
        type: 'block',
        block: 0,
        content: {
          type: 'tool_use',
          id: 'toolu_1',
          name: 'find',
          input: { id: '12345678901234567890' },
          exact_numbers: { '/id': '12345678901234567890' },
        },
      },
      {
        type: 'block',
        block: 1,
        content: { type: 'tool_use', id: 'toolu_2', name: 'find', input: { id: '12345678901234567890' } },
      },
      TOLD,
      STOP,
    ],
  },
  {
    title: 'overwrites usage by what message_delta says, and null says nothing',
    wire: lines(
      '{"type":"message_start","message":{"model":"claude-x","content":[],"usage":{"input_tokens":2751,"output_tokens":1,"cache_read_input_tokens":0,"cache_creation_input_tokens":9}}}',
      '{"type":"message_delta","delta":{"stop_reason":null},"usage":{"input_tokens":320032,"output_tokens":40,"cache_read_input_tokens":6289,"cache_creation_input_tokens":null}}',
      '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":50}}',
      '{"type":"message_stop"}',
    ),
    events: [
      {
        type: 'start',
        model: 'claude-x',
        usage: {
          input_tokens: 2751,
          output_tokens: 1,
          cache_read_input_tokens: 0,
          cache_creation_input_tokens: 9,
        },
      },
      {
        type: 'usage',
        usage: {
          input_tokens: 320032,
          output_tokens: 40,
          cache_read_input_tokens: 6289,
          cache_creation_input_tokens: 9,
        },
      },
      {
        type: 'usage',
        usage: {
          input_tokens: 320032,
          output_tokens: 50,
          cache_read_input_tokens: 6289,
          cache_creation_input_tokens: 9,
        },
      },
      {
        type: 'stop',
        stopReason: 'end_turn',
        usage: {
          input_tokens: 320032,
          output_tokens: 50,
          cache_read_input_tokens: 6289,
          cache_creation_input_tokens: 9,
        },
        unfinished: false,
      },
    ],
  },
  {
    title: 'tells usage as soon as it is told, also where the answer breaks off then',
    wire: `${BEGIN}${lines(
      '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}',
    )}`,
    events: [START, TOLD],
    failure: 'model_stream_truncated',
  },
  {
    title: 'tells usage before an error that follows it',
    wire: `${BEGIN}${lines(
      '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}',
      '{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}',
    )}`,
    events: [START, TOLD],
    failure: 'overloaded_error',
  },
  {
    title: 'calls a stop without a reason unknown, and needs no usage',
    wire: lines(
      '{"type":"message_start","message":{"content":[],"stop_reason":null}}',
      '{"type":"message_stop"}',
    ),
    events: [
      { type: 'start', model: '', usage: { ...USED, input_tokens: 0, output_tokens: 0 } },
      {
        type: 'stop',
        stopReason: 'unknown',
        usage: { ...USED, input_tokens: 0, output_tokens: 0 },
        unfinished: false,
      },
    ],
  },
  {
    title: 'ignores what follows message_stop',
    wire: `${BEGIN}${END}${BEGIN}data: {broken\n\n`,
    events: [START, TOLD, STOP],
  },
  {
    title: 'refuses a second message after handing out what came before it',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"One"}}',
    )}${BEGIN}${END}`,
    events: [START, { type: 'text', block: 0, text: 'One' }],
    failure: 'model_protocol',
  },
  {
    title: 'refuses a block whose number does not follow',
    wire: `${BEGIN}${lines('{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"x"}}')}${END}`,
    events: [START],
    failure: 'model_protocol',
  },
  {
    title: 'refuses interleaved blocks',
    wire: `${BEGIN}${lines(
      '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
      '{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}',
    )}${END}`,
    events: [START],
    failure: 'model_protocol',
  },
  {
    title: 'refuses a delta of a block that is not open',
    wire: `${BEGIN}${lines('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}')}${END}`,
    events: [START],
    failure: 'model_protocol',
  },
  {
    title: 'refuses an answer that does not begin with message_start',
    wire: END,
    events: [],
    failure: 'model_protocol',
  },
  {
    title: 'refuses a data line that is not JSON',
    wire: `${BEGIN}data: {"type":"content_block_start","index":0,\n\n${END}`,
    events: [START],
    failure: 'model_protocol',
  },
  {
    title: 'reports an error event by its type',
    wire: `${BEGIN}event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n${END}`,
    events: [START],
    failure: 'overloaded_error',
  },
  {
    title: 'does not take an end without message_stop for an answer',
    wire: BEGIN,
    events: [START],
    failure: 'model_stream_truncated',
  },
  { title: 'does not take an empty body for an answer', wire: '', events: [], failure: 'model_protocol' },
];

describe('MessageAccumulator', () => {
  for (const { title, wire, events, failure = null } of STORIES) {
    const bytes = new TextEncoder().encode(wire);

    it(title, () => {
      expect(play([bytes])).toEqual({ events, failure });
    });

    it(`${title}, wherever the bytes are cut`, () => {
      const whole = JSON.stringify({ events, failure });
      const different = Array.from(bytes, (_, cut) => [bytes.subarray(0, cut), bytes.subarray(cut)])
        .concat([Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))])
        .filter((chunks) => JSON.stringify(play(chunks)) !== whole);

      expect(different.map(([first]) => first!.length)).toEqual([]);
    });
  }

  it('names the attempt in the start, and in an error that does not name it', () => {
    const decoder = new WireDecoder('req_1');
    const wire = `${BEGIN}${lines('{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}')}`;

    expect(decoder.decode(new TextEncoder().encode(wire))).toEqual([{ ...START, requestId: 'req_1' }]);
    expect(decoder.failure).toMatchObject({ requestId: 'req_1', message: 'Busy (request req_1)' });
  });

  it('refuses bytes that are not UTF-8 instead of showing replacement characters', () => {
    const bytes = new TextEncoder().encode(BEGIN);

    expect(play([bytes, Uint8Array.of(0x64, 0xff)])).toEqual({ events: [START], failure: 'model_protocol' });
  });

  it('stops an event that has no end', () => {
    const flood = new Uint8Array(1024 * 1024).fill(0x61);
    const decoder = new WireDecoder();
    decoder.decode(new TextEncoder().encode('data: '));

    for (let mebibytes = 0; mebibytes < 17; mebibytes++) decoder.decode(flood);

    expect(decoder.failure?.code).toBe('model_protocol');
  });

  it('takes 2 MB of tool input in 100,000 pieces in linear time', () => {
    const piece = (json: string) =>
      lines(
        JSON.stringify({
          type: 'content_block_delta',
          index: 0,
          delta: { type: 'input_json_delta', partial_json: json },
        }),
      );
    const wire = [
      BEGIN,
      lines(
        '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}',
      ),
      piece('{"text":"'),
      piece('twenty characters...').repeat(100_000),
      piece('"}'),
      lines('{"type":"content_block_stop","index":0}'),
      END,
    ].join('');
    const cpu = process.cpuUsage();

    const { events } = play([new TextEncoder().encode(wire)]);

    const block = events.at(1) as ModelEvent & { type: 'block' };
    expect((block.content.input as { text: string }).text).toHaveLength(2_000_000);
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(2000);
  });
});
