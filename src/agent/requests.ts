import { z } from 'zod';
import { textUpTo } from '../sessions/requests.js';
import { content } from './content.js';

const whenBusy = z.enum(['queue', 'reject', 'interrupt', 'steer']).default('queue');
const name = textUpTo(200);
/** Ids are only looked up, so any text of bounded length is a question that can be answered. */
const id = z.string().min(1).max(100);
export const idempotencyKey = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable ASCII characters');
const decision = { decision: z.enum(['approve', 'deny']), reason: textUpTo(10_000).optional() };

export const postMessage = z.strictObject({ content, when_busy: whenBusy }).meta({ id: 'PostMessage' });
export type PostMessage = z.output<typeof postMessage>;

export const startStream = z
  .strictObject({
    session_id: id.optional(),
    content,
    agent: name.optional(),
    when_busy: whenBusy,
    on_disconnect: z.enum(['continue', 'cancel']).default('continue'),
  })
  .meta({ id: 'StartStream' });
export type StartStream = z.output<typeof startStream>;

/** A cursor is never an error: one that is said twice is, like every other wrong one, none of any event. */
const cursor = z.preprocess((said) => (Array.isArray(said) ? said.join() : said), z.string()).optional();

/** Other parameters are ignored: browsers and proxies add some of their own. */
export const readStream = z.object({
  session_id: id.describe('Its latest run is shown, unless a cursor names another'),
  run_id: id.optional().describe('This run and no other'),
  last_event_id: cursor.describe('Cursor, where the header cannot be sent'),
  follow: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .describe('true: stays open over runs'),
});
export type ReadStream = z.output<typeof readStream>;

/** A call that needs no body takes none, or an empty one. */
export const nothing = z.strictObject({}).optional();

export const decide = z.strictObject(decision).meta({ id: 'Decide' });
export type Decide = z.output<typeof decide>;

/** What a client can say on the socket: the `data` of each of its events. */
export const socketRequests = {
  start: z.strictObject({
    session_id: id.optional(),
    content,
    agent: name.optional(),
    when_busy: whenBusy,
    idempotency_key: idempotencyKey.optional(),
  }),
  subscribe: z
    .strictObject({
      session_id: id.optional(),
      run_id: id.optional(),
      last_event_id: z.string().optional(),
      follow: z.boolean().default(false),
    })
    .refine(
      (data) => data.session_id !== undefined || data.run_id !== undefined,
      'needs session_id or run_id',
    ),
  unsubscribe: z
    .strictObject({ session_id: id.optional(), run_id: id.optional() })
    .refine(
      (data) => data.session_id !== undefined || data.run_id !== undefined,
      'needs session_id or run_id',
    ),
  cancel: z.strictObject({ run_id: id }),
  decide: z.strictObject({ run_id: id, tool_call_id: id, ...decision }),
  ping: z.strictObject({}).default({}),
} as const;

export type SocketEvent = keyof typeof socketRequests;
export type SocketRequest<E extends SocketEvent> = z.output<(typeof socketRequests)[E]>;

const ref = z.union([z.string().max(200), z.number()]).optional();

/** The frame around it. `ref` comes back in the reply. */
export const socketFrame = z.strictObject({
  event: z.string().max(100),
  data: z.unknown().optional(),
  id: z.unknown().optional(),
  ref,
});

/** What a frame that makes no sense still says about its reply. */
export const socketRef = z.object({ ref });
