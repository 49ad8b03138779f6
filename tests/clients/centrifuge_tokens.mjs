// Cases of a server with tokens and the HTTP API, and of one that knows its clients by a header.

import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';
import {
  PROTOBUF, api, away, bytes, client, collect, connected, equal, joined, next, seconds, token,
  value, within,
} from './centrifuge_clients.mjs';

export const each = {};
export const protobuf = {};
export const once = {};

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
