#!/usr/bin/env node
// Uses the server as clients of Centrifuge do: npm's centrifuge as it is, over each of its transports.
//
//     node centrifuge.mjs SUITE http://127.0.0.1:8080 [--pid N] [--next http://127.0.0.1:8081]
//
// One line for each case that fails, then `N passed, N failed`. Exits with 1 if a case failed.

import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { parseArgs } from 'node:util';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';

const WAIT_MS = 20_000;
const KEY = 'an api key';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pid: { type: 'string' }, next: { type: 'string' } },
});
const [suite, base] = positionals;

// ---- waiting for what happens ----

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came: ${what}`)), WAIT_MS);
  });
  const first = Promise.race([promise, late]).finally(() => clearTimeout(timer));
  // A case that has failed already waits for it no more.
  first.catch(() => {});
  return first;
}

/// The next event of this name that fits; to be called before it can happen.
function next(emitter, event, fits = () => true) {
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

/// So many events of this name, as what `of` makes of each.
function collect(emitter, event, count, of = (context) => context) {
  const all = [];
  return next(emitter, event, (context) => all.push(of(context)) === count).then(() => all);
}

async function refused(promise) {
  try {
    await within(promise, 'a refusal');
  } catch (error) {
    return error.code ?? error;
  }
  throw new Error('it was not refused');
}

function equal(got, wanted, what) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}

// ---- clients, their transports in our hand, their code not ----

/// An error of a line that was cut is the network's. An abort would be the client's own wish, from which none comes back.
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

/// Opens connections to one server, cuts them, and says whatever it likes on them.
class Line {
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

const transports = ['websocket', 'http_stream', 'sse'];
/// What the clients of Protobuf go over.
const PROTOBUF = { protobuf: 'websocket', protobuf_stream: 'http_stream' };
const clients = [];
const url = (path) => `${base}${path}`;

function client(transport, options = {}, line = new Line()) {
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

async function connected(transport, options, line) {
  const made = client(transport, options, line);
  const came = next(made, 'connected');
  made.connect();
  made.context = await came;
  return made;
}

async function joined(made, channel, options = {}) {
  const sub = made.newSubscription(channel, { minResubscribeDelay: 20, maxResubscribeDelay: 200, ...options });
  const came = next(sub, 'subscribed');
  sub.subscribe();
  sub.context = await came;
  return sub;
}

/// A client that can be held off: see `away`.
async function leavable(transport) {
  const held = {};
  const made = await connected(transport, { getData: () => Promise.resolve(held.gate).then(() => null) });
  made.held = held;
  return made;
}

/// Cuts a client off until it is called back.
function away(made) {
  let back;
  made.held.gate = new Promise((resolve) => { back = resolve; });
  made.line.cut();
  return back;
}

/// What clients of Protobuf say and hear.
const bytes = (said) => new TextEncoder().encode(JSON.stringify(said));
const value = (data) => JSON.parse(new TextDecoder().decode(data));

// ---- tokens and the API ----

const seconds = (n) => Math.floor(Date.now() / 1000) + n;

function token(claims, secret = 'secret') {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

async function api(method, body, key = KEY) {
  const headers = { 'X-API-Key': key, 'Content-Type': 'application/json' };
  const answer = await fetch(url(`/api/${method}`), { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.ok ? answer.json() : answer.status;
}

/// A request with any headers: fetch would set some by itself.
function raw(method, path, headers = {}, body) {
  return within(new Promise((resolve, reject) => {
    const asked = httpRequest(url(path), { method, headers }, (answer) => {
      resolve({ status: answer.statusCode, headers: answer.headers });
      answer.destroy();
    });
    asked.on('error', reject);
    asked.end(body);
  }), path);
}

// ---- the cases, by suite; each of a transport runs over all three, and those of Protobuf over both of its own ----

const each = {};
const protobuf = {};
const once = {};

each.talk = {
  async 'a client is told who it is, and publishes to all in its channel in one order'(transport, room) {
    const [ann, bob] = [await connected(transport, { data: { name: 'ann' } }), await connected(transport)];
    equal([typeof ann.context.client, ann.context.transport], ['string', transport], 'the session');
    const [annsRoom, bobsRoom] = [await joined(ann, room), await joined(bob, room)];
    const heard = [annsRoom, bobsRoom].map((sub) => collect(sub, 'publication', 3, ({ data }) => data));
    const first = next(bobsRoom, 'publication');
    for (const data of ['one', { two: '2\n2' }, [3, null]]) await annsRoom.publish(data);
    const [a, b] = await Promise.all(heard);
    equal(a, ['one', { two: '2\n2' }, [3, null]], 'what was heard');
    equal(b, a, 'what the other heard');
    const { info, offset, tags } = await first;
    equal([info.user, info.client, offset, typeof tags.time], ['ann', ann.context.client, 1, 'string'], 'the rest of it');
  },

  async 'who was cut off recovers what was missed'(transport, room) {
    const ann = await leavable(transport);
    const sub = await joined(ann, room);
    equal([sub.context.recoverable, sub.context.positioned, sub.context.wasRecovering], [true, true, false], 'the first time');
    const bob = await connected(transport);
    const speaker = await joined(bob, room);
    const first = next(sub, 'publication');
    await speaker.publish(0);
    await first;
    const gone = next(sub, 'subscribing');
    const back = away(ann);
    await gone;
    for (const n of [1, 2]) await speaker.publish(n);
    const [again, missed] = [next(sub, 'subscribed'), collect(sub, 'publication', 3, ({ data, offset }) => [data, offset])];
    back();
    const context = await again;
    equal([context.wasRecovering, context.recovered, context.streamPosition.offset], [true, true, 1], 'the second time');
    await speaker.publish(3);
    equal(await missed, [[1, 2], [2, 3], [3, 4]], 'what was missed, and what is new');
  },

  async 'who missed more than is kept is told so and is not given a part'(transport, room) {
    const ann = await leavable(transport);
    const sub = await joined(ann, room);
    const bob = await connected(transport);
    const speaker = await joined(bob, room);
    const gone = next(sub, 'subscribing');
    const back = away(ann);
    await gone;
    for (let n = 1; n <= 6; n += 1) await speaker.publish(n);
    const [again, heard] = [next(sub, 'subscribed'), next(sub, 'publication')];
    back();
    const context = await again;
    equal([context.wasRecovering, context.recovered, context.streamPosition.offset], [true, false, 6], 'the second time');
    await speaker.publish('new');
    equal((await heard).data, 'new', 'what is heard first');
  },

  async 'who keeps its own state is refused with 112 and asked for it anew'(transport, room) {
    const ann = await leavable(transport);
    const speaker = await joined(await connected(transport), room);
    await speaker.publish(0);
    let asked = 0;
    const getState = async () => {
      asked += 1;
      const { offset, epoch } = await speaker.history();
      return { offset, epoch };
    };
    const sub = await joined(ann, room, { getState });
    const gone = next(sub, 'subscribing');
    const back = away(ann);
    await gone;
    for (let n = 1; n <= 6; n += 1) await speaker.publish(n);
    const again = next(sub, 'subscribed');
    back();
    const context = await again;
    equal([asked, context.recovered, context.streamPosition.offset], [2, true, 7], 'after 112');
  },

  async 'joins, leaves, who is there and how many'(transport, room) {
    const ann = await connected(transport, { data: { name: 'ann' } });
    const sub = await joined(ann, room, { joinLeave: true });
    const join = next(sub, 'join', ({ info }) => info.user === 'bob');
    const bob = await connected(transport, { data: { name: 'bob' } });
    const bobs = await joined(bob, room);
    equal((await join).info, { client: bob.context.client, user: 'bob' }, 'who joined');
    const { clients } = await sub.presence();
    equal(Object.values(clients).map(({ user }) => user).sort(), ['ann', 'bob'], 'who is there');
    equal(Object.keys(clients).sort(), [ann.context.client, bob.context.client].sort(), 'in which sessions');
    equal(await sub.presenceStats(), { numUsers: 2, numClients: 2 }, 'how many');
    const leave = next(sub, 'leave');
    bobs.unsubscribe();
    equal((await leave).info, { client: bob.context.client, user: 'bob' }, 'who left');
  },

  async 'a history is read page by page, forth and back'(transport, room) {
    const sub = await joined(await connected(transport), room);
    for (let n = 1; n <= 6; n += 1) await sub.publish(n);
    const top = await sub.history();
    equal([top.publications, top.offset], [[], 6], 'without a limit');
    const page = async (options) => (await sub.history(options)).publications.map(({ data }) => data);
    const { epoch } = top;
    equal(await page({ limit: 2 }), [3, 4], 'the first page');
    equal(await page({ limit: 2, since: { offset: 4, epoch } }), [5, 6], 'the second');
    equal(await page({ limit: 2, reverse: true }), [6, 5], 'the last');
    equal(await page({ limit: 2, reverse: true, since: { offset: 5, epoch } }), [4, 3], 'the one before');
    equal(await page({ limit: -1 }), [3, 4, 5, 6], 'all');
    equal(await refused(sub.history({ limit: 1, since: { offset: 1, epoch: 'another' } })), 112, 'another life');
  },

  async 'what is not allowed or not there has its code, and the connection stays'(transport, room) {
    const ann = await connected(transport);
    equal(await refused(ann.publish(room, 1)), 103, 'a publish of a stranger');
    equal(await refused(ann.rpc('dance', {})), 108, 'a method of a server without calls');
    equal(await refused(ann.presence(room)), 103, 'presence for a stranger');
    await ann.send({ heard: 'by nobody' });
    const bad = ann.newSubscription('x'.repeat(256));
    const out = next(bad, 'unsubscribed');
    bad.subscribe();
    equal((await out).code, 107, 'a name that is too long');
    const sub = await joined(ann, room);
    const left = next(sub, 'unsubscribed');
    sub.unsubscribe();
    equal((await left).code, 0, 'a leave of its own');
    await joined(ann, `${room}-2`);
  },
};

each.tokens = {
  async 'a bad token ends with 3500, and the client stays away'(transport) {
    for (const bad of ['nonsense', token({ sub: 'ann' }, 'another secret')]) {
      const ann = client(transport, { token: bad });
      const end = next(ann, 'disconnected');
      ann.connect();
      const { code, reason } = await end;
      equal([code, reason], [3500, 'invalid token'], 'how it ends');
    }
  },

  async 'an expired token is asked for anew, and one that expires is refreshed without a cut'(transport) {
    let asked = 0;
    const getToken = async () => {
      asked += 1;
      return token({ sub: 'ann', exp: seconds(asked === 1 ? 3 : 60) });
    };
    const ann = client(transport, { token: token({ sub: 'ann', exp: seconds(-5) }), getToken });
    let connects = 0;
    ann.on('connected', () => { connects += 1; });
    const came = next(ann, 'connected');
    ann.connect();
    await came;
    equal(asked, 1, 'tokens asked for');
    while (asked < 2) await within(new Promise((later) => { setTimeout(later, 20); }), 'a refresh');
    await ann.rpc('nothing', {}).catch(({ code }) => equal(code, 108, 'it is still open'));
    equal(connects, 1, 'connects');
  },

  async 'a session that is not refreshed ends, and comes back with a new token'(transport) {
    let fail = true;
    const getToken = async () => {
      if (fail) throw new Error('not now');
      return token({ sub: 'ann', exp: seconds(60) });
    };
    const ann = await connected(transport, { token: token({ sub: 'ann', exp: seconds(2) }), getToken });
    const [gone, back] = [next(ann, 'connecting'), next(ann, 'connected')];
    equal((await gone).code, 3005, 'how it ends');
    fail = false;
    await back;
  },

  async 'a channel of a token is joined, refreshed, and left to another token'(transport, room) {
    let asked = 0;
    const lives = [-5, 3, 60];
    const getToken = async ({ channel }) => {
      equal(channel, room, 'the channel');
      asked += 1;
      return token({ sub: 'ann', channel: room, exp: seconds(lives[asked - 1]) });
    };
    const ann = await connected(transport, { token: token({ sub: 'ann', read: [] }) });
    const stranger = ann.newSubscription(`${room}-2`);
    const out = next(stranger, 'unsubscribed');
    stranger.subscribe();
    equal((await out).code, 103, 'without a token');
    const sub = ann.newSubscription(room, { getToken, minResubscribeDelay: 20, maxResubscribeDelay: 50 });
    let joins = 0;
    sub.on('subscribed', () => { joins += 1; });
    const [error, came] = [next(sub, 'error'), next(sub, 'subscribed')];
    sub.subscribe();
    equal((await error).error.code, 109, 'with an expired one');
    await came;
    while (asked < 3) await within(new Promise((later) => { setTimeout(later, 20); }), 'a refresh');
    const heard = next(sub, 'publication');
    await sub.publish('still in');
    await heard;
    equal(joins, 1, 'joins');
    const wrong = ann.newSubscription(`${room}-3`, { token: token({ sub: 'ann', channel: room }) });
    const kept = next(wrong, 'unsubscribed');
    wrong.subscribe();
    equal((await kept).code, 103, 'with the token of another channel');
  },

  async 'a channel that is not refreshed in time is left, and joined anew'(transport, room) {
    let asked = 0;
    const getToken = async () => {
      asked += 1;
      if (asked === 2) throw new Error('not now');
      return token({ sub: 'ann', channel: room, exp: seconds(asked === 1 ? 2 : 60) });
    };
    const ann = await connected(transport, { token: token({ sub: 'ann', read: [] }) });
    const sub = await joined(ann, room, { getToken });
    const [left, back] = [next(sub, 'subscribing'), next(sub, 'subscribed')];
    equal((await left).code, 2501, 'why');
    sub._token = '';
    await back;
  },

  async 'the server puts a client into channels, and it recovers there'(transport, room) {
    const held = {};
    const ann = client(transport, {
      token: token({ sub: `ann-${room}`, channels: [room] }),
      getData: () => Promise.resolve(held.gate).then(() => null),
    });
    ann.held = held;
    const came = next(ann, 'subscribed');
    ann.connect();
    const context = await came;
    equal([context.channel, context.recoverable, context.wasRecovering], [room, true, false], 'where it is');
    const first = next(ann, 'publication');
    await api('publish', { channel: room, data: 1 });
    equal((await first).data, 1, 'what it hears there');
    const gone = next(ann, 'subscribing');
    const back = away(ann);
    await gone;
    for (const data of [2, 3]) await api('publish', { channel: room, data });
    const [again, missed] = [next(ann, 'subscribed'), collect(ann, 'publication', 2, ({ data }) => data)];
    back();
    equal([(await again).recovered, await missed], [true, [2, 3]], 'what it missed');
    const out = next(ann, 'unsubscribed');
    await api('unsubscribe', { user: `ann-${room}`, channel: room });
    equal((await out).channel, room, 'what it is taken out of');
  },

  async 'the API speaks, asks, takes out and closes'(transport, room) {
    const user = `ann-${room}`;
    const ann = await connected(transport, { token: token({ sub: user, info: { color: 'red' } }) });
    const sub = await joined(ann, room);
    const heard = collect(sub, 'publication', 2, ({ data, info }) => [data, info.user]);
    const { result } = await api('publish', { channel: room, data: { a: 1 }, idempotency_key: 'k' });
    equal([result.offset, typeof result.epoch], [1, 'string'], 'the place');
    equal((await api('publish', { channel: room, data: { a: 1 }, idempotency_key: 'k' })).result.offset, 1, 'its place again');
    const all = await api('broadcast', { channels: [room, `${room}-2`], data: 2 });
    equal(all.result.responses.map((one) => one.result.offset), [2, 1], 'the places');
    equal(await heard, [[{ a: 1 }, 'server'], [2, 'server']], 'what is heard');
    const history = await api('history', { channel: room, limit: 1, reverse: true });
    equal([history.result.publications.map(({ data }) => data), history.result.offset], [[2], 2], 'the history');
    equal((await api('history', { channel: 'nowhere', limit: 1 })).result, { publications: [], epoch: '', offset: 0 }, 'no channel');
    const { presence } = (await api('presence', { channel: room })).result;
    equal(presence, { [ann.context.client]: { user, client: ann.context.client, conn_info: { color: 'red' } } }, 'who is there');
    equal((await api('info', {})).result.nodes[0].num_clients > 0, true, 'the node');
    const out = next(sub, 'unsubscribed');
    await api('unsubscribe', { user, channel: room });
    equal((await out).code, 2000, 'taken out');
    const end = next(ann, 'disconnected');
    await api('disconnect', { user });
    equal((await end).code, 3503, 'closed for good');
    const bob = await connected(transport, { token: token({ sub: `${user}-2` }) });
    const [gone, back] = [next(bob, 'connecting'), next(bob, 'connected')];
    await api('disconnect', { user: `${user}-2`, client: bob.context.client, disconnect: { code: 4001, reason: 'again' } });
    const { code, reason } = await gone;
    equal([code, reason], [4001, 'again'], 'closed for now');
    await back;
  },
};

protobuf.tokens = {
  async 'a client of Protobuf comes in by tokens, and the server puts it into channels'(transport, room) {
    const [given, asks] = [`${room}-given`, `${room}-asked`];
    const ann = client(transport, { token: token({ sub: room, channels: [given], read: [], exp: seconds(60) }) });
    const [put, came] = [next(ann, 'subscribed'), next(ann, 'connected')];
    ann.connect();
    await came;
    equal([(await put).channel, (await put).recoverable], [given, true], 'where it is');
    const heard = next(ann, 'publication');
    await api('publish', { channel: given, data: [1] });
    equal(value((await heard).data), [1], 'what it hears there');
    let asked = 0;
    const getToken = async () => {
      asked += 1;
      return token({ sub: room, channel: asks, exp: seconds(asked === 1 ? 3 : 60) });
    };
    const sub = await joined(ann, asks, { getToken });
    while (asked < 2) await within(new Promise((later) => { setTimeout(later, 20); }), 'a refresh');
    const out = next(sub, 'unsubscribed');
    await api('unsubscribe', { user: room, channel: asks });
    equal((await out).code, 2000, 'taken out');
    const bad = client(transport, { token: 'nonsense' });
    const end = next(bad, 'disconnected');
    bad.connect();
    equal((await end).code, 3500, 'a bad token');
  },
};

once.tokens = {
  async 'the API wants its key, a body within the bound, and JSON'() {
    equal([await api('info', {}, 'another'), await api('info', {}, '')], [401, 401], 'another key');
    equal(await api('publish', { channel: 'room', data: 'x'.repeat(70_000) }), 413, 'too large');
    equal([await api('publish', { channel: '', data: 1 }), await api('publish', [])], [400, 400], 'no request');
    const deep = (n) => JSON.parse('['.repeat(n) + ']'.repeat(n));
    equal((await api('publish', { channel: 'deep', data: deep(127) })).result.offset, 1, '128 deep');
    equal(await api('publish', { channel: 'deep', data: deep(128) }), 400, '129 deep');
    const keyed = (n) => api('publish', { channel: 'keyed', data: 1, idempotency_key: 'k'.repeat(n) });
    equal([(await keyed(128)).result.offset, (await keyed(128)).result.offset, await keyed(129)], [1, 1, 400], 'keys');
    equal([(await keyed(0)).result.offset, (await keyed(0)).result.offset], [2, 3], 'an empty key is none');
  },
};

each.ends = {
  async 'one who says what is no command is closed with 3501, and stays away'(transport) {
    const ann = await connected(transport);
    const end = next(ann, 'disconnected');
    ann._transport.send('{"id":99,"dance":{}}', ann._session, ann._node);
    equal((await end).code, 3501, 'how it ends');
  },

  async 'one who does not answer pings is closed with 3012, and comes back'(transport) {
    const ann = await connected(transport);
    const [gone, back] = [next(ann, 'connecting'), next(ann, 'connected')];
    ann.line.mute = true;
    equal((await gone).code, 3012, 'how it ends');
    ann.line.mute = false;
    await back;
  },

  async 'one who answers them stays for many pings'(transport) {
    const ann = await connected(transport);
    let cuts = 0;
    ann.on('connecting', () => { cuts += 1; });
    const bob = await connected(transport);
    bob.line.mute = true;
    for (let round = 0; round < 2; round += 1) await next(bob, 'connecting', ({ code }) => code === 3012);
    bob.line.mute = false;
    equal(cuts, 0, 'cuts');
  },

  async 'one who asks faster than it may is answered at its rate, and stays'(transport) {
    const ann = await connected(transport);
    let cuts = 0;
    ann.on('connecting', () => { cuts += 1; });
    const codes = new Set();
    await Promise.all(Array.from({ length: 60 }, () => ann.rpc('x', {}).catch(({ code }) => codes.add(code))));
    equal([[...codes], cuts], [[108], 0], 'what it heard, and cuts');
  },

  async 'one who asks too much in one message hears 111 and is closed with 3013, and comes back'(transport) {
    const ann = await connected(transport);
    const [gone, back] = [next(ann, 'connecting'), next(ann, 'connected')];
    const codes = new Set();
    ann.startBatching();
    const all = Array.from({ length: 60 }, () => ann.rpc('x', {}).catch(({ code }) => codes.add(code)));
    ann.stopBatching();
    equal((await gone).code, 3013, 'how it ends');
    await Promise.all(all);
    equal(transport !== 'websocket' || codes.has(111), true, 'what it heard');
    await back;
  },
};

/// Publishes until somebody is too slow for it.
async function speakUntilDropped(channel) {
  const dropped = async () => Number(/^chat_dropped_total\{reason="slow"\} (\d+)/m.exec(await (await fetch(url('/metrics'))).text())?.[1] ?? 0);
  const before = await dropped();
  for (let n = 0; (await dropped()) === before; n += 1) {
    if (n === 100) throw new Error('nobody is too slow');
    for (let i = 0; i < 20; i += 1) await api('publish', { channel, data: 'x'.repeat(50_000) });
  }
}

once.ends = {
  async 'a client of Protobuf answers pings, and ends with 3501 for what is no command'() {
    const ann = await connected('protobuf');
    let cuts = 0;
    ann.on('connecting', () => { cuts += 1; });
    const bob = await connected('websocket');
    bob.line.mute = true;
    for (let round = 0; round < 2; round += 1) await next(bob, 'connecting', ({ code }) => code === 3012);
    bob.line.mute = false;
    equal(cuts, 0, 'cuts');
    const end = next(ann, 'disconnected');
    ann._transport.send(new Uint8Array([255, 255]));
    equal((await end).code, 3501, 'how it ends');
  },
};

once.slow = {
  async 'one who reads too slowly is closed with 3008, and recovers'() {
    const ann = await connected('websocket');
    const sub = await joined(ann, 'slow');
    const gone = next(ann, 'connecting');
    ann.line.socket.pause();
    await speakUntilDropped('slow');
    const again = next(sub, 'subscribed');
    ann.line.socket.resume();
    equal((await gone).code, 3008, 'how it ends');
    equal((await again).wasRecovering, true, 'whether it goes on');
  },

  async 'a stream that is not read ends with 3008, which it says'() {
    const answer = await within(new Promise((resolve, reject) => {
      const asked = httpRequest(url('/connection/http_stream'), { method: 'POST' }, resolve);
      asked.on('error', reject);
      asked.end('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"stream"}}');
    }), 'a stream');
    await speakUntilDropped('stream');
    let text = '';
    for await (const chunk of answer) text += chunk;
    const lines = text.trimEnd().split('\n').map((line) => JSON.parse(line));
    equal([lines[0].id, lines.at(-1)], [1, { push: { disconnect: { code: 3008, reason: 'slow' } } }], 'the first and the last');
  },
};

protobuf.talk = {
  async 'a client of Protobuf shares a channel with one of JSON, and recovers'(transport, room) {
    const ann = await leavable(transport);
    const bob = await connected('websocket', { data: { name: 'bob' } });
    equal(ann.context.transport, PROTOBUF[transport], 'what it goes over');
    const [sub, bobs] = [await joined(ann, room), await joined(bob, room, { joinLeave: true })];
    const first = [sub, bobs].map((one) => collect(one, 'publication', 2));
    await sub.publish(bytes({ a: [1, 'é'] }));
    await bobs.publish('two');
    const [atAnns, atBobs] = await Promise.all(first);
    equal(atAnns.map(({ data, offset }) => [value(data), offset]), [[{ a: [1, 'é'] }, 1], ['two', 2]], 'at the one');
    equal(atBobs.map(({ data }) => data), [{ a: [1, 'é'] }, 'two'], 'at the other');
    equal([atAnns[1].info.user, atAnns[1].info.client, typeof atAnns[1].tags.time], ['bob', bob.context.client, 'string'], 'the rest of it');
    const gone = next(sub, 'subscribing');
    const back = away(ann);
    await gone;
    await bobs.publish(3);
    const [again, missed] = [next(sub, 'subscribed'), next(sub, 'publication')];
    back();
    const context = await again;
    equal([context.recovered, context.wasRecovering, context.streamPosition.offset], [true, true, 2], 'the second time');
    equal(value((await missed).data), 3, 'what was missed');
    equal(await sub.presenceStats(), { numUsers: 2, numClients: 2 }, 'how many');
    equal(Object.keys((await sub.presence()).clients).length, 2, 'who is there');
    const page = await sub.history({ limit: 2, reverse: true });
    equal([page.publications.map(({ data }) => value(data)), page.offset], [[3, 'two'], 3], 'the history');
    equal(await refused(ann.rpc('dance', bytes({}))), 108, 'a method of a server without calls');
    const leave = next(bobs, 'leave');
    sub.unsubscribe();
    await leave;
  },

  async 'a stream of Protobuf says how it ends'(transport) {
    const ann = await connected(transport);
    const end = next(ann, 'disconnected');
    ann._transport.send(new Uint8Array([2, 8, 9]), ann._session, ann._node);
    equal((await end).code, 3501, 'how it ends');
  },
};

once.talk = {
  async 'a foreign page gets no stream, and an allowed one may read it'() {
    const path = '/connection/http_stream';
    const connect = '{"id":1,"connect":{}}';
    const evil = { origin: 'http://evil.example' };
    equal((await raw('POST', path, evil, connect)).status, 403, 'a foreign page');
    equal((await raw('OPTIONS', path, evil)).status, 403, 'its question');
    equal((await raw('GET', `/connection/sse?cf_connect=${encodeURIComponent(connect)}`, evil)).status, 403, 'its events');
    equal((await raw('POST', '/emulation', evil, '{}')).status, 403, 'its words');
    const own = { origin: base };
    const opened = await raw('POST', path, own, connect);
    equal([opened.status, opened.headers['access-control-allow-origin']], [200, base], 'a page of this host');
    const asked = await raw('OPTIONS', '/emulation', own);
    equal([asked.status, asked.headers['access-control-allow-headers']], [204, 'content-type'], 'its question');
  },

  async 'what is too large, no text, no session or another method has its status'() {
    const path = '/connection/http_stream';
    // As much as 128 channels may need to come back, and a command beside.
    const most = 65_536 + 128 * 4351;
    equal((await raw('POST', path, {}, 'x'.repeat(most + 1))).status, 413, 'too large');
    // Beside a stream, commands come as a string: its escapes have room.
    equal((await raw('POST', '/emulation', {}, 'x'.repeat(2 * most + 1_025))).status, 413, 'too large beside a stream');
    equal((await raw('POST', path, {}, Buffer.from([0xff]))).status, 400, 'no text');
    equal((await raw('POST', '/emulation', {}, '[]')).status, 400, 'no session');
    equal((await raw('POST', '/emulation', {}, '{"session":"1","node":"1","data":"{}"}')).status, 404, 'another server');
    equal((await raw('GET', path)).status, 405, 'another method');
    equal((await raw('GET', '/connection/sse')).status, 400, 'no commands');
  },

  async 'without a key there is no API'() {
    equal(await api('info', {}), 404, 'the API');
  },

  async 'a stream that is dropped ends its session'() {
    const open = async () => Number(/^chat_sessions (\d+)$/m.exec(await (await fetch(url('/metrics'))).text())[1]);
    for (const made of clients) made.disconnect();
    while (await open()) await within(new Promise((later) => { setTimeout(later, 10); }), 'an end');
    await raw('POST', '/connection/http_stream', {}, '{"id":1,"connect":{}}');
    while (await open()) await within(new Promise((later) => { setTimeout(later, 10); }), 'an end');
  },
};

each.drain = {
  async 'when a server stops, its clients go to the next one'(transport, room) {
    const line = new Line();
    const ann = await connected(transport, {}, line);
    const sub = await joined(ann, room);
    const gone = next(ann, 'connecting');
    return async () => {
      const { code, reason } = await gone;
      const wanted = transport === 'websocket' ? [1, 'transport closed'] : [3001, 'shutdown'];
      equal([code, reason], wanted, 'how it ends');
      const again = next(sub, 'subscribed');
      line.url = values.next;
      equal((await again).recovered, false, 'nothing is known there');
    };
  },
};

// ---- a server that knows its clients by a header ----

const known = { 'X-User': 'ann' };
const ask = (at, options = {}) => fetch(at, { ...options, headers: { ...options.headers, ...known } });
const loggedIn = {
  websocket: class extends WebSocket {
    constructor(at, protocols) { super(at, protocols, { headers: known }); }
  },
  fetch: ask,
  eventsource: class extends EventSource {
    constructor(at) { super(at, { fetch: ask }); }
  },
};

const logins = {
  async 'who is let in by a header is told so, and goes on where it was'(transport) {
    const ann = client(transport, loggedIn);
    const [came, own] = [next(ann, 'connected'), next(ann, 'subscribed')];
    ann.connect();
    equal([(await own).channel, (await came).client.length > 0], ['own-ann', true], 'where it is');
    const sub = await joined(ann, 'room');
    const heard = next(sub, 'publication');
    await sub.publish(transport in PROTOBUF ? bytes(1) : 1);
    equal((await heard).info.user, 'ann', 'who it is');
  },

  async 'who shows a token of its own besides is refused'(transport) {
    const ann = client(transport, { ...loggedIn, token: 'its own' });
    const end = next(ann, 'disconnected');
    ann.connect();
    equal((await end).code, 107, 'how it ends');
  },
};
each.login = logins;
protobuf.login = logins;

// ---- a server that fails at first ----

once.fails = {
  async 'what fails for a moment is tried again by the client itself'(room) {
    const client = new Centrifuge(`${base.replace('http', 'ws')}/connection/websocket`, { websocket: WebSocket });
    clients.push(client);
    const sub = client.newSubscription(room);
    const errors = [];
    for (const each of [client, sub]) each.on('error', ({ error }) => errors.push(error.code));
    const subscribed = next(sub, 'subscribed');
    sub.subscribe();
    client.connect();
    await subscribed;
    equal(errors, [100, 111, 100], 'what it hears before');
  },
};

// ---- running them ----

function over(all, cases = {}) {
  return all.flatMap((transport) => Object.entries(cases).map(([name, run]) => [`${name} (${transport})`, (room) => run(transport, room)]));
}

const wanted = [
  ...over(transports, each[suite]),
  ...over(Object.keys(PROTOBUF), protobuf[suite]),
  ...Object.entries(once[suite] ?? {}),
];
if (wanted.length === 0) throw new Error(`no suite ${suite}`);
let failed = 0;
const rest = [];

async function attempt(name, run) {
  try {
    return await run();
  } catch (error) {
    failed += 1;
    console.log(`${name}: ${error.message ?? error}`);
  }
}

for (const [n, [name, run]] of wanted.entries()) {
  const later = await attempt(name, () => run(`room-${n}`));
  if (later) rest.push([name, later]);
}
if (values.pid) process.kill(Number(values.pid), 'SIGTERM');
await Promise.all(rest.map(([name, run]) => attempt(name, run)));
for (const made of clients) made.disconnect();
console.log(`${wanted.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
