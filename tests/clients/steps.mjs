// Runs the steps of one case, with any client. The format is in ../cases/README.md.

import { randomBytes } from 'node:crypto';

const STEP_MS = 3000;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/y;
const INSIDE = /(?:[^"\\]|\\.)*/y;

/// Fails with the number of the step, what it expected and what it got.
export async function runCase({ steps }, open) {
  const run = { token: randomBytes(4).toString('hex'), bound: {}, peers: {}, silences: 0 };
  try {
    for (const [at, step] of steps.entries()) {
      for (let n = 1; n <= (step.times ?? 1); n += 1) {
        const filled = substitute(step, run.token, n);
        await inTime(runStep(run, filled, open), filled).catch((error) => {
          throw new Error(`step ${at + 1}: ${error.message.split('\n')[0]}`);
        });
      }
    }
  } finally {
    for (const peer of Object.values(run.peers)) await peer.socket.cut();
  }
}

async function runStep(run, step, open) {
  const peer = (name) => run.peers[name] ?? fail(`a connection ${name}`, 'none');
  if ('open' in step) {
    const inbox = new Inbox();
    run.peers[step.open] = { inbox, socket: await open(step.query ?? '', (event) => inbox.put(event)) };
  } else if ('send' in step) {
    const { socket } = peer(step.send);
    if ('binary' in step) await socket.binary(step.binary);
    else await socket.send(step.text ?? JSON.stringify(known(step.frame, run.bound)));
  } else if ('hear' in step) {
    const { inbox } = peer(step.hear);
    if ('text' in step) await hearText(inbox, step.text);
    else await hearFrames(inbox, step.any ?? [step.frame], run.bound);
  } else if ('silent' in step) {
    const { inbox, socket } = peer(step.silent);
    const id = `silent-${(run.silences += 1)}`;
    await socket.send(JSON.stringify({ type: 'ping', id }));
    await hearFrames(inbox, [{ type: 'pong', id }], run.bound);
  } else if ('close' in step) {
    const { inbox, socket } = peer(step.close);
    await socket.close(step.code);
    let event;
    do event = await inbox.take(); while (!('closed' in event));
    if (step.code && event.closed !== step.code) fail(step.code, event);
  } else if ('closed' in step) {
    const event = await peer(step.closed).inbox.take();
    if (![step.code].flat().includes(event.closed)) fail(step, event);
  } else if ('cut' in step) {
    await peer(step.cut).socket.cut();
  } else {
    fail('a step', step);
  }
}

async function hearText(inbox, expected) {
  const event = await inbox.take();
  if (!('frame' in event) || !fits(expected, event.frame)) fail(expected, event.frame ?? event);
}

/// Whether the text is the expected one, in which {any} and {time} leave something open.
function fits(expected, text) {
  let at = 0;
  for (const piece of expected.split(/(\{any\}|\{time\})/)) {
    const here = { '{any}': INSIDE, '{time}': TIME }[piece];
    if (here) {
      here.lastIndex = at;
      if (!here.test(text)) return false;
      at = here.lastIndex;
    } else {
      if (!text.startsWith(piece, at)) return false;
      at += piece.length;
    }
  }
  return at === text.length;
}

async function hearFrames(inbox, expected, bound) {
  const open = [...expected];
  while (open.length > 0) {
    const event = await inbox.take();
    if (!('frame' in event)) fail(open, event);
    const frame = JSON.parse(event.frame);
    const at = open.findIndex((each) => {
      const fresh = { ...bound };
      return matches(each, frame, fresh) && Object.assign(bound, fresh);
    });
    if (at < 0) fail(open.length > 1 ? open : open[0], frame);
    open.splice(at, 1);
  }
}

function matches(expected, got, bound) {
  if (typeof expected === 'string' && expected.startsWith('$')) {
    const name = expected.slice(1);
    if (name === '_') return true;
    if (name.startsWith('!')) return !matches(bound[name.slice(1)], got, bound);
    if (name in bound) return matches(bound[name], got, {});
    bound[name] = got;
    return true;
  }
  if (expected === null || got === null || typeof expected !== 'object' || typeof got !== 'object') return expected === got;
  const keys = Object.keys(expected);
  return Array.isArray(expected) === Array.isArray(got)
    && keys.length === Object.keys(got).length
    && keys.every((key) => Object.hasOwn(got, key) && matches(expected[key], got[key], bound));
}

/// What "$name" was heard to be, in a frame that is sent.
function known(value, bound) {
  if (typeof value === 'string' && value.startsWith('$') && value.slice(1) in bound) return bound[value.slice(1)];
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((each) => known(each, bound));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, known(each, bound)]));
}

function substitute(value, token, n) {
  if (typeof value === 'string') {
    return value
      .replaceAll('{run}', token)
      .replaceAll('{n}', n)
      .replace(/\{fill:(\d+)\}/g, (_, count) => 'x'.repeat(count))
      .replace(/\{deep:(\d+)\}/g, (_, depth) => '['.repeat(depth) + ']'.repeat(depth));
  }
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((each) => substitute(each, token, n));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, substitute(each, token, n)]));
}

/// What a connection was told and no step has looked at yet.
class Inbox {
  #events = [];
  #wake = () => {};

  put(event) {
    this.#events.push(event);
    this.#wake();
  }

  /// The next event; the end of the connection is never taken away.
  async take() {
    while (this.#events.length === 0) await new Promise((resolve) => { this.#wake = resolve; });
    return 'closed' in this.#events[0] ? this.#events[0] : this.#events.shift();
  }
}

function fail(expected, got) {
  throw new Error(`expected ${show(expected)}, got ${show(got)}`);
}

function show(value) {
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/[\r\n]/g, '␤');
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function inTime(running, step) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`expected ${show(step)}, got nothing for ${STEP_MS} ms`)), STEP_MS);
  });
  return Promise.race([running, late]).finally(() => clearTimeout(timer));
}
