// Opens npm's phoenix clients for the cases, and waits for their messages.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';

const WAIT_MS = 20_000;

export const { values, positionals: [set, url] } = parseArgs({
  allowPositionals: true,
  options: { token: { type: 'string' }, 'bad-token': { type: 'string' }, server: { type: 'string' }, client: { type: 'string', default: 'phoenix' } },
});

/// Stands in for `XMLHttpRequest`, which a client of browsers without `fetch` uses.
class Request {
  #asked;
  #gone = new AbortController();
  #headers = {};
  readyState = 0;
  responseText = '';
  open(method, at) { this.#asked = [at, method]; }
  setRequestHeader(name, value) { this.#headers[name] = value; }
  abort() { this.#gone.abort(); }
  send(body) {
    const [at, method] = this.#asked;
    const late = this.timeout && setTimeout(() => { this.abort(); this.ontimeout?.(); }, this.timeout);
    fetch(at, { method, headers: this.#headers, body, signal: this.#gone.signal }).then(async (answer) => {
      this.responseText = await answer.text();
      Object.assign(this, { status: answer.status, readyState: 4 });
      this.onreadystatechange?.();
    }).catch(() => { if (!this.#gone.signal.aborted) this.onerror?.(); }).finally(() => clearTimeout(late));
  }
}
if (values.client === 'phoenix-1.7') Object.assign(globalThis, { self: globalThis, XMLHttpRequest: Request });
export const { LongPoll, Presence, Socket } = await import(values.client);

// ---- clients ----

export const transports = { websocket: WebSocket, longpoll: LongPoll };
let sockets = [];

export function connect(name, options = {}) {
  const { transport = WebSocket, at = url, ...rest } = options;
  const socket = new Socket(at, { transport, params: name ? { name } : {}, reconnectAfterMs: () => 20, rejoinAfterMs: () => 20, ...rest });
  sockets.push(socket);
  socket.connect();
  return socket;
}

export function disconnectAll() {
  sockets.forEach((socket) => socket.disconnect());
  sockets = [];
}

/// Resolves with the reply to a push: `[status, response]`.
export const answer = (push) => within('an answer', (resolve) => {
  for (const status of ['ok', 'error', 'timeout']) push.receive(status, (response) => resolve([status, response]));
});

export async function join(socket, topic, params) {
  const channel = socket.channel(topic, params);
  const [status, response] = await answer(channel.join());
  assert.equal(status, 'ok', JSON.stringify(response));
  return channel;
}

/// Resolves with the next message of the socket that fits.
export const heard = (socket, fits) => within('a message', (resolve) => {
  const ref = socket.onMessage((message) => {
    if (!fits(message)) return;
    socket.off([ref]);
    resolve(message);
  });
});

/// Resolves with the next payload of an event.
export const on = (channel, event) => within(event, (resolve) => {
  const ref = channel.on(event, (payload) => {
    channel.off(event, ref);
    resolve(payload);
  });
});

/// Resolves when `holds` returns true, which is asked whenever `watch` calls.
export const once = (what, watch, holds) => within(what, (resolve) => {
  const look = () => { if (holds()) resolve(); };
  watch(look);
  look();
});

export function within(what, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), WAIT_MS);
    start((value) => { clearTimeout(timer); resolve(value); });
  });
}

export const bytes = (...list) => new Uint8Array(list).buffer;
export const list = (buffer) => [...new Uint8Array(buffer)];

let topics = 0;
export const fresh = () => `room:${++topics}`;
