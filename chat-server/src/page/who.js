// ---- who one is ----

// This tab's name, and the one that was used last for those that have none yet. `user` is how the server knows who that is.
let name = tidy(tabMemory.read('name') ?? memory.read('name'));
let accepted = '', user = name;
// What says who this is, where a name is not enough. It is no other tab's.
let token = asText(tabMemory.read('token')), acceptedToken = '';

function asText(value) {
  return typeof value === 'string' ? value : '';
}

// Asks for a name, or for a token where that is what says who one is.
function askWho(error) {
  const byToken = Boolean(token) || Boolean(error && wantsToken(error));
  const field = byToken ? $('token') : $('name');
  $('refused').textContent = error ? reasonOf(error) : '';
  $('app').hidden = true;
  $('who').hidden = false;
  $('cancel').hidden = !accepted;
  $('by-name').hidden = $('name').disabled = byToken;
  $('by-token').hidden = $('token').disabled = !byToken;
  $('name').value = name;
  $('token').value = '';
  field.focus();
  field.select();
}

// What was typed there.
function answerWho() {
  const byToken = $('name').disabled;
  const text = byToken ? $('token').value.trim() : tidy($('name').value);
  if (!text) {
    $('refused').textContent = byToken ? 'That is no token.' : 'That is no name.';
    return;
  }
  if (byToken) keepToken(text);
  else name = text;
  say('');
  begin();
}

// A link may bring it: `#token=…`, or `#token=…&channel=…`. It stays neither in the address nor in the history.
function takeToken() {
  const brought = new URLSearchParams(location.hash.startsWith('#token=') ? location.hash.slice(1) : '');
  if (!brought.get('token')) return false;
  keepToken(brought.get('token'));
  showAddress(brought.get('channel') ?? current?.name);
  return true;
}

function keepToken(text) {
  token = text;
  tabMemory.write('token', text || null);
}

// The name as the server has it.
function accept(shown) {
  name = accepted = shown;
  acceptedToken = token;
  tabMemory.write('name', shown);
  memory.write('name', shown);
  showName();
}

function showName() {
  $('me').querySelector('bdi').textContent = name;
  $('me').setAttribute('aria-label', `You are ${name}: change your name`);
}

function cancelName() {
  if (!accepted || $('who').hidden) return;
  name = accepted;
  if (token !== acceptedToken) keepToken(acceptedToken);
  enter();
  if (!socket) connect();
  $('me').focus();
}
