// Node's own EventSource, which it has behind --experimental-eventsource: prints what it hands out, until `done`.
const [url, token] = process.argv.slice(2);
const types = ['run', 'token', 'thinking', 'tool_call', 'approval', 'tool_result', 'reset', 'error', 'done'];

// The timer with which it comes back keeps no process alive.
setInterval(() => {}, 1_000);

// What sends its requests is there once anything was fetched.
await fetch('data:,');
const dispatcher = globalThis[Symbol.for('undici.globalDispatcher.1')].compose(
  (dispatch) => (options, handler) => {
    options.headers = { ...options.headers, authorization: `Bearer ${token}` };
    return dispatch(options, handler);
  },
);
const source = new EventSource(url, { dispatcher });
for (const type of types) {
  source.addEventListener(type, ({ data, lastEventId }) => {
    if (data === undefined) return;
    console.log(JSON.stringify({ event: type, id: lastEventId, data }));
    if (type !== 'done') return;
    source.close();
    process.exit();
  });
}
