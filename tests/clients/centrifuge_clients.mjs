// Opens npm's centrifuge clients for the cases, and waits for their events.

import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { parseArgs } from 'node:util';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';

const WAIT_MS = 20_000;
const KEY = 'an api key';

export const { values, positionals: [suite, base] } = parseArgs({
  allowPositionals: true,
  options: { pid: { type: 'string' }, next: { type: 'string' } },
});

// ---- waiting for events ----

export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came: ${what}`)), WAIT_MS);
  });
  const first = Promise.race([promise, late]).finally(() => clearTimeout(timer));
  // A case that has failed no longer waits for this.
  first.catch(() => {});
  return first;
}

/// Resolves with the next event of this name that fits; must be called before the event can happen.
export function next(emitter, event, fits = () => true) {
  const came = new Promise((resolve) => {
    const hear = (context) => {
      if (!fits(context)) return;
      emitter.off(event, hear);
      resolve(context);
    };
    emitter.on(event, hear);
  });
  return within(came, event);
}

/// Resolves with `count` events of this name, each mapped by `of`.
export function collect(emitter, event, count, of = (context) => context) {
  const all = [];
  return next(emitter, event, (context) => all.push(of(context)) === count).then(() => all);
}

export async function refused(promise) {
  try {
    await within(promise, 'a refusal');
  } catch (error) {
    return error.code ?? error;
  }
  throw new Error('it was not refused');
}

export function equal(got, wanted, what) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}

// ---- unchanged clients on transports that the cases control ----

/// Turns the error of a cut connection into a network error: clients do not reconnect after an abort, which is
/// their own.
async function lost(promise, cut) {
  try {
    return await promise;
  } catch (error) {
    throw cut.signal.aborted ? new TypeError('terminated') : error;
  }
}

function losable(body, cut) {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(taken) {
      const { done, value } = await lost(reader.read(), cut);
      if (done) taken.close();
      else taken.enqueue(value);
    },
    cancel: (why) => reader.cancel(why),
  });
}

/// Opens connections to one server, cuts them, and can mute their pongs.
export class Line {
  constructor(url = base) {
    this.url = url;
    this.open = new Set();
    this.mute = false;
  }

  cut() {
    for (const cut of [...this.open]) cut();
    this.open.clear();
  }

  place(url) {
    const { pathname, search } = new URL(url);
    return this.url + pathname + search;
  }

  websocket() {
    const line = this;
    return class extends WebSocket {
      constructor(url, protocols) {
        super(line.place(url.toString().replace('ws:', 'http:')).replace('http:', 'ws:'), protocols);
        line.socket = this;
        line.open.add(() => this.terminate());
      }

      send(data) {
        if (!(line.mute && data === '{}')) super.send(data);
      }
    };
  }

  fetch() {
    return async (url, options = {}) => {
      if (this.mute && options.body?.includes('"data":"{}"')) return { ok: true, status: 204 };
      const cut = new AbortController();
      this.open.add(() => cut.abort());
      const signal = options.signal ? AbortSignal.any([options.signal, cut.signal]) : cut.signal;
      const answer = await lost(fetch(this.place(url), { ...options, signal }), cut);
      return new Response(answer.body && losable(answer.body, cut), answer);
    };
  }

  eventsource() {
    const line = this;
    return class extends EventSource {
      constructor(url) {
        super(url, { fetch: line.fetch() });
      }
    };
  }
}

export const transports = ['websocket', 'http_stream', 'sse'];
/// Maps the clients of Protobuf to their transports.
export const PROTOBUF = { protobuf: 'websocket', protobuf_stream: 'http_stream' };
export const clients = [];
export const url = (path) => `${base}${path}`;

export function client(transport, options = {}, line = new Line()) {
  const over = PROTOBUF[transport] ?? transport;
  const endpoint = over === 'websocket'
    ? url('/connection/websocket').replace('http:', 'ws:')
    : [{ transport: over, endpoint: url(`/connection/${over}`) }];
  const made = new (transport in PROTOBUF ? Protobuf : Centrifuge)(endpoint, {
    websocket: line.websocket(),
    fetch: line.fetch(),
    eventsource: line.eventsource(),
    emulationEndpoint: url('/emulation'),
    minReconnectDelay: 50,
    maxReconnectDelay: 500,
    ...options,
  });
  made.line = line;
  clients.push(made);
  return made;
}

export async function connected(transport, options, line) {
  const made = client(transport, options, line);
  const came = next(made, 'connected');
  made.connect();
  made.context = await came;
  return made;
}

export async function joined(made, channel, options = {}) {
  const sub = made.newSubscription(channel, { minResubscribeDelay: 20, maxResubscribeDelay: 200, ...options });
  const came = next(sub, 'subscribed');
  sub.subscribe();
  sub.context = await came;
  return sub;
}

/// Connects a client whose reconnect can be delayed with `away`.
export async function leavable(transport) {
  const held = {};
  const made = await connected(transport, { getData: () => Promise.resolve(held.gate).then(() => null) });
  made.held = held;
  return made;
}

/// Cuts a client off; returns the function that lets it reconnect.
export function away(made) {
  let back;
  made.held.gate = new Promise((resolve) => { back = resolve; });
  made.line.cut();
  return back;
}

/// Convert between values and the content of clients of Protobuf.
export const bytes = (said) => new TextEncoder().encode(JSON.stringify(said));
export const value = (data) => JSON.parse(new TextDecoder().decode(data));

// ---- tokens and the API ----

export const seconds = (n) => Math.floor(Date.now() / 1000) + n;

export function token(claims, secret = 'secret') {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

export async function api(method, body, key = KEY) {
  const headers = { 'X-API-Key': key, 'Content-Type': 'application/json' };
  const answer = await fetch(url(`/api/${method}`), { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.ok ? answer.json() : answer.status;
}

/// Sends a request with exactly these headers; fetch would add some.
export function raw(method, path, headers = {}, body) {
  return within(new Promise((resolve, reject) => {
    const asked = httpRequest(url(path), { method, headers }, (answer) => {
      resolve({ status: answer.statusCode, headers: answer.headers });
      answer.destroy();
    });
    asked.on('error', reject);
    asked.end(body);
  }), path);
}
