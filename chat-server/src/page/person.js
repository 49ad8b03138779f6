// ---- what a person does ----

const TYPING_PAUSE_MS = 2500;

function enter() {
  $('who').hidden = true;
  $('app').hidden = false;
  showName();
  if (current?.stuck) scrollToEnd();
  showEdges();
  look();
}

function begin() {
  const first = channels.size === 0;
  enter();
  connect();
  if (first) {
    for (const each of remembered.all()) addRemembered(each);
    outbox.restore();
  }
  const wished = hashChannel();
  if (wished) join(wished, open);
  else open(current ?? channels.get(tabMemory.read('current')) ?? channels.values().next().value ?? null);
  $(current ? 'text' : 'channel').focus();
}

function hashChannel() {
  try { return tidy(decodeURIComponent(location.hash.slice(1))); } catch { return ''; }
}

function writeInBox(text) {
  $('text').value = text;
  current?.keepDraft(text);
  fitBox();
}

// Where the browser does not fit it by itself.
function fitBox() {
  if (CSS.supports('field-sizing', 'content')) return;
  $('text').style.height = 'auto';
  $('text').style.height = `${$('text').scrollHeight + 2}px`;
}

// Told while one writes, so that it can be shortened.
function sayExcess(text) {
  const over = current ? excess(current, text) : 0;
  if (over > 0) say(`Too long by ${over.toLocaleString()} bytes`);
  else if ($('said').textContent.startsWith('Too long')) say('');
}

// Others see that a person types; nobody keeps it.
function type() {
  if (!current?.joined || !$('text').value || Date.now() - current.typed < TYPING_PAUSE_MS) return;
  current.typed = Date.now();
  request({ type: 'publish', channelId: current.name, content: { typing: true }, ephemeral: true }, { refused: quiet });
}

function addRemembered(channelName) {
  const channel = add(channelName);
  channel.remembered = true;
  return channel;
}

// Another tab has joined channels.
function followTabs() {
  for (const each of remembered.all()) if (!channels.has(each)) subscribe(addRemembered(each));
  remembered.add(...[...channels.values()].filter((each) => each.remembered).map((each) => each.name));
}

// Another tab has left a channel. This one stays where somebody reads or writes.
function followLeaving(channel) {
  if (!channel) return;
  channel.remembered = false;
  if (channel === current || channel.draft || channel.waiting.length) return;
  request({ type: 'unsubscribe', channelId: channel.name }, { refused: quiet });
  drop(channel);
}

// The Enter that ends a composition (Japanese, Chinese, Korean) is the composition's; Safari tells it only by its code.
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

function escape() {
  if (!$('who').hidden) return cancelName();
  if (!$('people').hidden) {
    closePeople();
    return $('here').focus();
  }
  if (document.activeElement === $('channel')) $('channel').value = '';
  if (current) $('text').focus();
}

// Up and down the list of channels.
function walk(event) {
  const buttons = [...$('channels').querySelectorAll('[data-channel]')];
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (at < 0 || to === undefined || !buttons[to]) return;
  event.preventDefault();
  buttons[to].focus();
}

$('who').querySelector('form').onsubmit = (event) => {
  event.preventDefault();
  answerWho();
};
$('cancel').onclick = cancelName;
$('me').onclick = () => askWho();
$('joining').onsubmit = (event) => {
  event.preventDefault();
  say('');
  join($('channel').value);
  $('channel').value = '';
  if (current) $('text').focus();
};
$('writing').onsubmit = (event) => {
  event.preventDefault();
  const text = $('text').value;
  if (!current || !text.trim()) return;
  say('');
  current.typed = 0;
  if (sendText(current, text)) writeInBox('');
  $('text').focus();
};
document.addEventListener('keydown', (event) => {
  if (isComposing(event)) {
    // No form is sent by it either.
    if (event.key === 'Enter' && event.target !== $('text')) event.preventDefault();
  } else if (event.key === 'Escape') escape();
});
$('text').onkeydown = (event) => {
  if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return;
  event.preventDefault();
  $('writing').requestSubmit();
};
$('text').oninput = () => {
  current?.keepDraft($('text').value);
  fitBox();
  sayExcess($('text').value);
  type();
};
// A tap on it leaves the keyboard open.
$('send').onmousedown = (event) => event.preventDefault();
$('again').onclick = () => {
  attempt = 0;
  connect();
  if (current) $('text').focus();
};
$('newer').onclick = toEnd;
$('logs').onscroll = scrolled;
$('channels').onscroll = showEdges;
$('channels').onkeydown = walk;
$('here').onclick = () => ($('people').hidden ? openPeople() : closePeople());
$('close-people').onclick = () => {
  closePeople();
  $('here').focus();
};
document.addEventListener('pointerdown', ({ target }) => { if (!target.closest('#people, #here')) closePeople(); });
addEventListener('online', hurry);
addEventListener('offline', offline);
addEventListener('pageshow', ({ persisted }) => { if (persisted) hurry(); });
addEventListener('pagehide', tellRead);
addEventListener('storage', ({ key }) => {
  if (!accepted) return;
  if (key === 'chat.channels') followTabs();
  if (key === 'chat.left') followLeaving(channels.get(memory.read('left')?.name));
});
// Back and forward lead to channels that one is still in; an address that somebody wrote leads to any.
addEventListener('popstate', ({ state }) => {
  const channel = channels.get(state?.channel);
  if (channel) open(channel);
  else if (state) showAddress(current?.name);
});
addEventListener('hashchange', () => {
  if (history.state) return;
  if (takeToken()) return begin();
  const wished = hashChannel();
  if (wished && accepted) join(wished, open);
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return tellRead();
  hurry();
  look();
});
visualViewport?.addEventListener('resize', fitKeyboard);
sizes.observe($('logs'));
sizes.observe($('channels'));

takeToken();
if (name || token) begin();
else askWho();
