import { count, duration, exactJson, reveal } from '../page/format.js';

/** Characters of what is shown of an entry before it is opened. */
const SHORT = 160;

const NAMES = { asked: 'connect', open: 'connected', lost: 'cut', over: 'nothing new' };
const PIECES = { token: 'tokens', thinking: 'pieces of thinking' };

export function nameOf({ type }) {
  return NAMES[type] ?? type;
}

/** `214 tokens, 3.1 s`, or what one entry says. */
export function wordsOf({ type, entries }) {
  if (entries.length === 1) return short(contentOf(entries[0]));
  const took = Math.round(entries.at(-1).at - entries[0].at);
  return `${count(entries.length)} ${PIECES[type]}, ${duration(took)}`;
}

/** What an entry says, on one line. */
export function contentOf({ type, data }) {
  switch (type) {
    case 'token':
    case 'thinking':
      return exactJson(data.text, 0);
    case 'tool_call':
    case 'approval':
      return `${data.name} ${exactJson(data.args, 0)}`;
    case 'tool_result':
      return `${data.name} ${exactJson(data.result, 0)}`;
    case 'run':
      return `${data.status} · attempt ${data.attempt}`;
    case 'error':
      return data.error;
    case 'reset':
      return `back to ${data.after === null ? 'the beginning' : placeOf(data.after)}: ${data.reason}`;
    case 'done':
      return [data.status, data.stop_reason].filter(Boolean).join(' · ');
    case 'asked':
      return data.last_event_id === null ? 'from the first event' : `after ${placeOf(data.last_event_id)}`;
    case 'lost':
      return `again in ${duration(Math.round(data.retry_ms))}: ${data.error?.message ?? 'The connection has ended.'}`;
    default:
      return '';
  }
}

/** Where in the run: `1.15`, or of several `1.3–15`. */
export function placesOf({ entries }) {
  const [first, last] = [entries[0].id, entries.at(-1).id];
  if (first === last || last === null) return placeOf(first);
  const [attempt, seq] = placeOf(last).split('.');
  return placeOf(first).startsWith(`${attempt}.`)
    ? `${placeOf(first)}–${seq}`
    : `${placeOf(first)}–${placeOf(last)}`;
}

/** Of an id the part that differs within a run: `<attempt>.<seq>`. */
export function placeOf(id) {
  return id === null ? '' : id.slice(id.indexOf('.') + 1);
}

function short(text) {
  const line = text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
  return reveal(line).replace(/\s+/g, ' ');
}
