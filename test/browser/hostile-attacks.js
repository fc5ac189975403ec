/*
 * What a hostile page tries, with the browser of somebody who is signed in. Each attack resolves to what it got: text
 * of an answer, an open connection, a loaded file. It is told more than it could know:
 * `aim {url, session, run, call, email, password}`, where email and password are an account of the attacker.
 */

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const EVENTS = 'run token thinking tool_call approval tool_result reset error done message'.split(' ');

/** Routes that tell something. */
const reads = ({ session, run }) => [
  '/api/auth/me',
  '/api/agent/sessions',
  `/api/agent/sessions/${session}`,
  `/api/agent/sessions/${session}/messages`,
  `/api/agent/sessions/${session}/runs`,
  `/api/agent/runs/${run}`,
  `/api/agent/stream?session_id=${session}`,
  '/api/agent/agents',
  '/api/agent/tools',
  '/api/openapi.json',
  '/metrics',
  '/console/console.js',
  '/console/icon.svg',
  '/',
];

/** Routes that change something. */
const changes = ({ session, run, call, email, password }) => [
  ['POST', `/api/agent/sessions/${session}/messages`, { content: 'stolen' }],
  ['POST', '/api/agent/stream', { session_id: session, content: 'stolen' }],
  ['POST', '/api/agent/stream', { content: 'stolen' }],
  ['POST', '/api/agent/sessions', { title: 'stolen' }],
  ['PATCH', `/api/agent/sessions/${session}`, { title: 'stolen' }],
  ['DELETE', `/api/agent/sessions/${session}`, {}],
  ['POST', `/api/agent/sessions/${session}/fork`, {}],
  ['POST', `/api/agent/runs/${run}/cancel`, {}],
  ['POST', `/api/agent/runs/${run}/tool_calls/${call}/decision`, { decision: 'approve' }],
  ['POST', '/api/auth/login', { email, password }],
  ['POST', '/api/auth/logout', {}],
  ['POST', '/api/auth/tickets', { session_id: session }],
  [
    'POST',
    '/api/admin/users',
    { email: 'x@evil.test', password: 'a long enough password', roles: ['admin'] },
  ],
  ['PUT', `/api/agent/sessions/${session}`, {}],
];

async function read(url, init) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 1_500);
  try {
    const response = await fetch(url, { ...init, signal: stop.signal });
    const text = await response.text();
    const told = response.type === 'opaque' ? '' : `${response.status} `;
    return told + text === '' ? [] : [`${url}: ${told}${text}`];
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

const readAll = async (aim, init) =>
  (await Promise.all(reads(aim).map((path) => read(aim.url + path, init)))).flat();

const changeAll = async (aim, init) =>
  (
    await Promise.all(
      changes(aim).map(([method, path, body]) =>
        read(aim.url + path, { credentials: 'include', ...init(method, body) }),
      ),
    )
  ).flat();

function listen(aim, init, more = '') {
  return new Promise((resolve) => {
    const loot = [];
    const source = new EventSource(`${aim.url}/api/agent/stream?session_id=${aim.session}${more}`, init);
    const end = () => {
      source.close();
      resolve(loot);
    };
    source.addEventListener('open', () => loot.push('open'));
    for (const name of EVENTS)
      source.addEventListener(name, (event) => {
        if (event instanceof MessageEvent) loot.push(event.data);
        else if (source.readyState === EventSource.CLOSED) end();
      });
    setTimeout(end, 2_000);
  });
}

function socket(aim, protocols, query = '') {
  return new Promise((resolve) => {
    const loot = [];
    const opened = new WebSocket(`${aim.url.replace('http', 'ws')}/api/agent/ws${query}`, protocols);
    opened.addEventListener('open', () => {
      loot.push('open');
      opened.send(JSON.stringify({ event: 'subscribe', data: { session_id: aim.session } }));
      opened.send(JSON.stringify({ event: 'start', data: { session_id: aim.session, content: 'stolen' } }));
    });
    opened.addEventListener('message', ({ data }) => loot.push(data));
    opened.addEventListener('close', () => resolve(loot));
    setTimeout(() => resolve(loot), 2_000);
  });
}

function request(aim, method, path, body) {
  return new Promise((resolve) => {
    const call = new XMLHttpRequest();
    call.open(method, aim.url + path);
    call.withCredentials = true;
    call.timeout = 1_500;
    call.onloadend = () =>
      resolve(call.status || call.responseText ? [`${call.status} ${call.responseText}`] : []);
    if (body) call.setRequestHeader('content-type', 'text/plain');
    call.send(body ? JSON.stringify(body) : null);
  });
}

/** Forms go into frames of this page, all at once; what a frame shows must not be readable. */
async function forms(aim, enctype) {
  const frames = changes(aim).map(([, path, body], index) => {
    const frame = document.createElement('iframe');
    frame.name = `form${index}`;
    const form = document.createElement('form');
    Object.assign(form, { action: aim.url + path, method: 'post', enctype, target: frame.name });
    const fields = enctype === 'text/plain' ? jsonField(body) : Object.entries(body);
    for (const [name, value] of fields) {
      const input = document.createElement('input');
      Object.assign(input, { type: 'hidden', name, value });
      form.append(input);
    }
    document.body.append(frame, form);
    form.submit();
    return frame;
  });
  await wait(800);
  const loot = frames.flatMap(inside);
  document.body.replaceChildren();
  return loot;
}

/** A form of text/plain writes `name=value`: together they are the JSON. */
function jsonField(body) {
  const json = JSON.stringify({ ...body, ignored: '=' });
  const at = json.lastIndexOf('=');
  return [[json.slice(0, at), json.slice(at + 1)]];
}

function inside(frame) {
  try {
    const text = frame.contentDocument?.documentElement.outerHTML ?? '';
    return /^<html><head><\/head><body><\/body><\/html>$/.test(text) || text === '' ? [] : [text];
  } catch {
    return [];
  }
}

const ELEMENTS = {
  img: (url) => ({ tag: 'img', src: url }),
  script: (url) => ({ tag: 'script', src: url }),
  'cors script': (url) => ({ tag: 'script', src: url, crossOrigin: 'use-credentials' }),
  module: (url) => ({ tag: 'script', src: url, type: 'module', crossOrigin: 'use-credentials' }),
  stylesheet: (url) => ({ tag: 'link', href: url, rel: 'stylesheet' }),
  prefetch: (url) => ({ tag: 'link', href: url, rel: 'prefetch' }),
  preload: (url) => ({ tag: 'link', href: url, rel: 'preload', as: 'fetch', crossOrigin: 'use-credentials' }),
  manifest: (url) => ({ tag: 'link', href: url, rel: 'manifest' }),
  video: (url) => ({ tag: 'video', src: url, autoplay: true, muted: true }),
  object: (url) => ({ tag: 'object', data: url }),
  embed: (url) => ({ tag: 'embed', src: url }),
};

/** A file that loads tells that it is there; of a script also what it leaves behind. */
async function elements(aim, kind) {
  const loot = [];
  const listening = new AbortController();
  const note = ({ message }) => void (message === 'Script error.' || loot.push(message));
  window.addEventListener('error', note, listening);
  const globals = new Set(Object.getOwnPropertyNames(window));
  for (const path of reads(aim)) {
    const { tag, ...properties } = ELEMENTS[kind](aim.url + path);
    const node = Object.assign(document.createElement(tag), properties);
    // An object or embed that was refused shows an error page, and says `load` all the same.
    const told = !['object', 'embed', 'prefetch'].includes(kind);
    node.addEventListener('load', () => void (told && loot.push(`loaded ${path}`)));
    document.body.append(node);
  }
  await wait(700);
  // What has a number is a frame.
  loot.push(
    ...Object.getOwnPropertyNames(window).filter((name) => !globals.has(name) && !/^\d+$/.test(name)),
  );
  loot.push(...[...document.styleSheets].flatMap(rulesOf));
  loot.push(...[...document.querySelectorAll('object')].flatMap(inside));
  document.body.replaceChildren();
  listening.abort();
  return loot;
}

/** Of a style sheet that was refused, or is of another origin, nothing can be read. */
function rulesOf(sheet) {
  try {
    return [...sheet.cssRules].map(({ cssText }) => cssText);
  } catch {
    return [];
  }
}

/** Our pages in a frame: nothing to read, and nothing to click on. The test looks at what the frames show. */
async function frames(aim) {
  const all = reads(aim).map((path) => {
    const frame = document.createElement('iframe');
    frame.src = aim.url + path;
    document.body.append(frame);
    return frame;
  });
  await wait(700);
  for (const frame of all)
    for (const message of ['approve', { decision: 'approve', tool_call_id: aim.call }, '{"event":"decide"}'])
      frame.contentWindow?.postMessage(message, '*');
  return all
    .flatMap(inside)
    .concat(all.filter(({ contentWindow }) => contentWindow.length > 0).map(() => 'frames in it'));
}

/** A window of its own, to which messages are sent. With Cross-Origin-Opener-Policy the opener has no hold of it. */
async function popup(aim, path) {
  const loot = [];
  const listening = new AbortController();
  const note = ({ origin, data }) => void (origin === aim.url && loot.push(JSON.stringify(data)));
  window.addEventListener('message', note, listening);
  const opened = window.open(aim.url + path);
  for (let turn = 0; turn < 8; turn += 1) {
    await wait(100);
    for (const message of ['approve', { type: 'decision', decision: 'approve' }, '{"event":"decide"}'])
      opened?.postMessage(message, '*');
    try {
      if (opened && opened.location.href !== 'about:blank')
        loot.push(opened.document.documentElement.outerHTML);
    } catch {
      // Another origin: as it should be.
    }
    if (opened?.length) loot.push(`${opened.length} frames`);
  }
  opened?.close();
  listening.abort();
  return loot;
}

/** A page without an origin, which says `Origin: null`. */
async function sandbox(aim) {
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts allow-forms';
  frame.srcdoc = `<script type="module">
    const loot = [];
    const note = (text) => loot.push(text);
    const url = ${JSON.stringify(aim.url)}, session = ${JSON.stringify(aim.session)};
    for (const path of ['/api/auth/me', '/api/agent/sessions', '/api/agent/stream?session_id=' + session])
      await fetch(url + path, { credentials: 'include' }).then((r) => r.text()).then(note, () => 0);
    await fetch(url + '/api/agent/sessions', { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{"title":"stolen"}' }).catch(() => 0);
    const source = new EventSource(url + '/api/agent/stream?session_id=' + session, { withCredentials: true });
    for (const name of ${JSON.stringify(EVENTS)}) source.addEventListener(name, (e) => e.data && note(e.data));
    const socket = new WebSocket(url.replace('http', 'ws') + '/api/agent/ws', 'agent.v1');
    socket.onopen = () => note('socket open');
    setTimeout(() => parent.postMessage(loot, '*'), 500);
  </script>`;
  document.body.append(frame);
  const told = await new Promise((resolve) => {
    window.addEventListener('message', ({ source, data }) => source === frame.contentWindow && resolve(data));
    setTimeout(() => resolve(['no answer of the frame']), 5_000);
  });
  frame.remove();
  return told;
}

/** Scripts of ours cannot be made workers of this page. */
async function workers(aim) {
  const loot = [];
  for (const path of ['/console/console.js', '/api/auth/me', '/']) {
    await navigator.serviceWorker.register(aim.url + path).then(
      () => loot.push(`registered ${path}`),
      () => undefined,
    );
    for (const Kind of [Worker, SharedWorker]) {
      try {
        loot.push(...(await wordsOf(new Kind(aim.url + path))));
      } catch {
        // Refused at once.
      }
    }
    loot.push(
      ...(await wordsOf(
        new Worker(
          URL.createObjectURL(
            new Blob([`importScripts('${aim.url}${path}'); postMessage(Object.keys(self))`]),
          ),
        ),
      )),
    );
  }
  return loot;
}

function wordsOf(worker) {
  return new Promise((resolve) => {
    const port = worker.port ?? worker;
    port.addEventListener('message', ({ data }) => resolve([JSON.stringify(data)]));
    port.start?.();
    worker.addEventListener('error', () => resolve([]));
    setTimeout(() => resolve([]), 300);
  });
}

/** A service worker of this page, which fetches without a page. `serviceWorker` is what /sw.js holds. */
export const serviceWorker = `onmessage = async ({ data: { url, session }, ports: [port] }) => {
  const loot = [];
  for (const path of ['/api/auth/me', '/api/agent/sessions', '/api/agent/stream?session_id=' + session])
    for (const mode of ['cors', 'no-cors'])
      await fetch(url + path, { mode, credentials: 'include' }).then((r) => r.text()).then((text) => text && loot.push(text), () => 0);
  for (const path of ['/api/agent/sessions', '/api/auth/logout'])
    await fetch(url + path, { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}' }).catch(() => 0);
  port.postMessage(loot);
};`;

async function ownServiceWorker(aim) {
  const registration = await navigator.serviceWorker.register('/sw.js');
  await navigator.serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  const told = new Promise((resolve) => {
    port1.addEventListener('message', ({ data }) => resolve(data));
    port1.start();
    setTimeout(() => resolve(['no answer of the service worker']), 5_000);
  });
  registration.active.postMessage(aim, [port2]);
  const loot = await told;
  await registration.unregister();
  return loot;
}

async function cached(aim) {
  const cache = await caches.open('loot');
  const loot = [];
  for (const path of reads(aim))
    for (const mode of ['cors', 'no-cors']) {
      const wanted = new Request(aim.url + path, { mode, credentials: 'include' });
      await Promise.race([cache.add(wanted), wait(500)]).catch(() => undefined);
      const text = await (await cache.match(wanted))?.text();
      if (text) loot.push(text);
    }
  return loot;
}

/** https://www.w3.org/TR/resource-timing/: sizes and states of what another origin answered are not told. */
async function sizes(aim) {
  await readAll(aim, { mode: 'no-cors', credentials: 'include' });
  return performance
    .getEntriesByType('resource')
    .filter(({ name }) => name.startsWith(aim.url))
    .filter((entry) => entry.transferSize || entry.encodedBodySize || entry.decodedBodySize)
    .map(({ name }) => `size of ${name}`);
}

async function beacons(aim) {
  for (const [, path, body] of changes(aim)) {
    navigator.sendBeacon(aim.url + path, JSON.stringify(body));
    navigator.sendBeacon(aim.url + path, new URLSearchParams(body));
    try {
      navigator.sendBeacon(aim.url + path, new Blob([JSON.stringify(body)], { type: 'application/json' }));
    } catch {
      // Some browsers refuse the type at once.
    }
  }
  await wait(500);
  return [];
}

const json = { 'content-type': 'application/json' };
const simple = (type) => (aim) =>
  changeAll(aim, (_method, body) => ({
    method: 'POST',
    mode: 'no-cors',
    headers: { 'content-type': type },
    body: JSON.stringify(body),
  }));

/** @type {Record<string, (aim: any) => Promise<string[]>>} */
export const attacks = {
  'EventSource with credentials': (aim) => listen(aim, { withCredentials: true }),
  'EventSource without credentials': (aim) => listen(aim, {}),
  'EventSource with a cursor, for good': (aim) =>
    listen(aim, { withCredentials: true }, `&follow=true&last_event_id=${aim.run}.1.1`),
  'EventSource with guesses in the address': (aim) =>
    listen(aim, { withCredentials: true }, '&ticket=guess&access_token=guess&session=guess'),
  'WebSocket with the subprotocol': (aim) => socket(aim, ['agent.v1']),
  'WebSocket without a subprotocol': (aim) => socket(aim, []),
  'WebSocket with a guessed ticket': (aim) => socket(aim, ['agent.v1'], '?ticket=guess'),
  'WebSocket with a guessed bearer': (aim) => socket(aim, ['agent.v1', 'bearer.guess']),
  'WebSocket with two subprotocols': (aim) => socket(aim, ['chat', 'agent.v1']),
  'fetch (cors, credentials) of every reading route': (aim) => readAll(aim, { credentials: 'include' }),
  'fetch (cors, no credentials) of every reading route': (aim) => readAll(aim, { credentials: 'omit' }),
  'fetch (no-cors) of every reading route': (aim) =>
    readAll(aim, { mode: 'no-cors', credentials: 'include' }),
  'fetch with headers of a stream': (aim) =>
    readAll(aim, {
      credentials: 'include',
      headers: { accept: 'text/event-stream', 'last-event-id': `${aim.run}.1.1` },
    }),
  'fetch with a guessed bearer': (aim) =>
    readAll(aim, { credentials: 'include', headers: { authorization: 'Bearer x' } }),
  'fetch (cors, JSON, every method) of every change': (aim) =>
    changeAll(aim, (method, body) => ({ method, headers: json, body: JSON.stringify(body) })),
  'fetch (no-cors, text/plain) of every change': simple('text/plain'),
  'fetch (no-cors, urlencoded) of every change': simple('application/x-www-form-urlencoded'),
  'fetch (no-cors, a type in disguise) of every change': simple('text/plain; application/json'),
  'fetch (no-cors, no type, keepalive) of every change': (aim) =>
    changeAll(aim, (_method, body) => ({
      method: 'POST',
      mode: 'no-cors',
      keepalive: true,
      body: new Blob([JSON.stringify(body)]),
    })),
  'fetch with the method in the address or a header': (aim) =>
    changeAll({ ...aim, session: `${aim.session}?_method=DELETE&` }, () => ({
      method: 'POST',
      headers: { 'x-http-method-override': 'DELETE' },
    })),
  'XMLHttpRequest of every route': async (aim) =>
    (
      await Promise.all([
        ...reads(aim).map((path) => request(aim, 'GET', path)),
        ...changes(aim).map(([method, path, body]) => request(aim, method, path, body)),
      ])
    ).flat(),
  sendBeacon: beacons,
  'sizes of answers': sizes,
  'form POST, urlencoded': (aim) => forms(aim, 'application/x-www-form-urlencoded'),
  'form POST, text/plain with JSON in it': (aim) => forms(aim, 'text/plain'),
  'form POST, multipart': (aim) => forms(aim, 'multipart/form-data'),
  ...Object.fromEntries(
    Object.keys(ELEMENTS).map((kind) => [`<${kind}> of every reading route`, (aim) => elements(aim, kind)]),
  ),
  '<iframe> of every reading route': frames,
  'window.open of the console, and messages': (aim) => popup(aim, '/'),
  'window.open of who it is': (aim) => popup(aim, '/api/auth/me'),
  'window.open of the stream': (aim) => popup(aim, `/api/agent/stream?session_id=${aim.session}`),
  'window.open of a changing route, by GET': (aim) => popup(aim, `/api/agent/runs/${aim.run}/cancel`),
  'a page without an origin': sandbox,
  'workers of our scripts': workers,
  'a service worker of its own': ownServiceWorker,
  'the cache of the page': cached,
};
