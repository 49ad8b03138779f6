// Cases of a server without tokens: publications, recovery, presence, history, and requests over HTTP.

import {
  PROTOBUF, api, away, base, bytes, clients, collect, connected, equal, joined, leavable, next, raw,
  refused, url, value, within,
} from './centrifuge_clients.mjs';

export const each = {};
export const protobuf = {};
export const once = {};

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
