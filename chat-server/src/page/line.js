// ---- the connection ----

const PING_MS = 20000, OPEN_MS = 15000, SILENCE_MS = 10000, FIRST_PAUSE_MS = 500, LAST_PAUSE_MS = 15000;
// A line that is slower than this, in bytes of a millisecond, is given up.
const SLOWEST = 4;
// How many bytes a message may have, unless the server says another bound.
const MESSAGE_BYTES = 65536;

const requests = new Map();
let socket = null, lastId = 0, attempt = 0, comeBack = 0, retryTimer, pingTimer, silenceTimer;
// Since when nothing was heard though something was asked, and how many bytes were sent since.
let silentSince = 0, unheard = 0, messageBytes = MESSAGE_BYTES;

function setState(state, text) {
  document.body.dataset.state = state;
  $('again').hidden = state !== 'closed' && state !== 'waiting';
  // Who listens to the page hears it once, not with every attempt.
  if ($('state').textContent !== text) $('state').replaceChildren(element('span', '', text));
}

function troubleText() {
  return navigator.onLine ? 'Not connected. Trying again…' : 'You are offline';
}

// Beside the page, wherever a proxy puts it.
function address() {
  const { protocol, host, pathname } = location;
  return `${protocol.replace('http', 'ws')}//${host}${pathname.replace(/\/?$/, '/ws')}`;
}

function connect() {
  clearTimeout(retryTimer);
  abandon();
  setState('connecting', attempt ? troubleText() : 'Connecting…');
  const mine = socket = new WebSocket(address());
  silenceTimer = setTimeout(() => lost(1006, ''), OPEN_MS);
  socket.onopen = () => {
    heardSomething();
    request({ type: 'connect', name: name || undefined, token: token || undefined }, {
      answered: welcome,
      refused(error) {
        if (isTemporary(error)) return lost(1006, '');
        abandon();
        return askWho(error);
      },
    });
    for (const channel of channels.values()) subscribe(channel);
    pingTimer = setInterval(ping, PING_MS);
  };
  socket.onmessage = ({ data }) => {
    heardSomething();
    hear(JSON.parse(data));
  };
  socket.onclose = ({ code, reason }) => { if (socket === mine) lost(code, reason); };
}

function welcome(frame) {
  attempt = 0;
  setState('open', 'Connected');
  user = frame.user ?? frame.name;
  messageBytes = frame.messageBytes ?? MESSAGE_BYTES;
  accept(frame.name);
}

// Lets go of a socket without waiting for its close, which may take as long as the network is silent.
function abandon() {
  clearInterval(pingTimer);
  heardSomething();
  const cut = [...requests.values()];
  requests.clear();
  if (socket) {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
  }
  for (const channel of channels.values()) channel.cut();
  for (const handler of cut) handler.lost?.();
}

function isFinal(code) {
  return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || [1002, 1003, 1007, 1008, 1009].includes(code);
}

function lost(code, reason) {
  // Said again, what is too long for this server would be the end of every connection.
  const tooLong = code === 1009 && longest([...requests.values()].map(({ entry }) => entry).filter(Boolean));
  abandon();
  if (tooLong) tooLong.fail('Not sent: it is too long for this server.', false);
  else if (isFinal(code)) return setState('closed', `Closed: ${reason || code}`);
  const most = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  attempt += 1;
  // Jittered over the whole pause, so that a crowd does not come back as one.
  const pause = comeBack || 100 + Math.random() * most;
  comeBack = 0;
  setState('waiting', troubleText());
  clearTimeout(retryTimer);
  retryTimer = setTimeout(connect, pause);
}

// Something may have changed: the network, or that somebody looks.
function hurry() {
  if (document.body.dataset.state === 'waiting') connect();
  else if (document.body.dataset.state === 'open') ping();
}

// The browser knows of it sooner than a silence tells. If it is wrong, the next attempt succeeds.
function offline() {
  if (socket) lost(1006, '');
  else if (document.body.dataset.state === 'waiting') setState('waiting', troubleText());
}

function ping() {
  transmit({ type: 'ping' });
  expectSomething();
}

function expectSomething() {
  if (silenceTimer) return;
  silentSince = Date.now();
  silenceTimer = setTimeout(silent, SILENCE_MS);
}

function silent() {
  const left = silentSince + SILENCE_MS + unheard / SLOWEST - Date.now();
  if (left <= 0) return lost(1006, '');
  silenceTimer = setTimeout(silent, left);
}

function heardSomething() {
  clearTimeout(silenceTimer);
  silenceTimer = undefined;
  unheard = 0;
}

function transmit(frame) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const text = JSON.stringify(frame);
  unheard += text.length;
  socket.send(text);
}

// Asks the server. One of the handler's functions is called, whatever becomes of it: `answered`, `refused`, or `lost` with its
// connection, at once if there is none.
function request(frame, handler) {
  if (socket?.readyState !== WebSocket.OPEN) return handler.lost?.();
  const id = lastId += 1;
  requests.set(id, handler);
  transmit({ ...frame, id });
  expectSomething();
}

function hear(frame) {
  const asked = requests.get(frame.id);
  requests.delete(frame.id);
  if (frame.type === 'error') (asked?.refused ?? complain)(frame);
  else if (asked) asked.answered?.(frame);
  else if (frame.type === 'goodbye') comeBack = frame.comeBack;
  // The server may put somebody into a channel that was not asked for.
  else if (frame.type === 'subscribed') add(frame.channelId).subscribed(frame);
  else channels.get(frame.channelId)?.told(frame);
}

// Not now; else never.
function isTemporary({ code }) {
  return [100, 108, 111].includes(code);
}

// The server does not know who this is: it wants a token, or another.
function wantsToken({ code }) {
  return [101, 109].includes(code);
}

function reasonOf({ reason, message }) {
  return `${reason}: ${message}`;
}

function complain(error) {
  say(reasonOf(error));
}

function quiet() {}
