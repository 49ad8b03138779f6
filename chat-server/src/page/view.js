// ---- what is seen of it ----

const LISTED_NAMES = 30;
let typingTimer, edgesFrame;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  // The only way a person's words get into the page: as text.
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text) {
  $('said').textContent = text;
}

function open(channel) {
  // What was said of one channel is not of the next.
  if (channel !== current) say('');
  if (current) {
    current.tellRead();
    current.log.hidden = true;
    current.button.removeAttribute('aria-current');
  }
  current = channel;
  $('title').replaceChildren(...(channel ? ['# ', element('bdi', '', channel.name)] : []));
  closePeople();
  showHere();
  showTyping();
  document.querySelector('.empty').hidden = channel !== null;
  $('text').disabled = $('send').disabled = channel === null;
  writeInBox(channel?.draft ?? '');
  tabMemory.write('current', channel?.name ?? null);
  showAddress(channel?.name);
  showUnread();
  if (!channel) return;
  channel.log.hidden = false;
  channel.button.setAttribute('aria-current', 'true');
  channel.button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  if (channel.stuck) scrollToEnd();
  else $('logs').scrollTop = channel.top;
  note();
  showNewer();
  look();
  fillNext();
}

// Opens it, so that the browser's way back leads here again.
function visit(channel) {
  if (current && current !== channel) tryAddress('pushState', current.name);
  open(channel);
}

function showAddress(channelName) {
  tryAddress('replaceState', channelName);
}

// Some browsers refuse it to those who do it often: then the address stays.
function tryAddress(how, channelName) {
  const { pathname, search } = location;
  try { history[how]({ channel: channelName }, '', channelName ? '#' + encodeURIComponent(channelName) : pathname + search); } catch { /* it stays */ }
}

function names(list) {
  return list.flatMap((each, at) => [...(at ? [', '] : []), element('bdi', '', each)]);
}

function hereList() {
  return current ? [...current.here].map(([each, shown]) => ({ user: each, name: shown })).sort((a, b) => a.name.localeCompare(b.name)) : [];
}

function showHere() {
  const list = hereList();
  const all = list.length + (current?.unlisted ?? 0);
  const shown = element('span', 'names');
  shown.append(': ', ...names(list.slice(0, LISTED_NAMES).map((each) => each.name)), all > LISTED_NAMES ? ', …' : '');
  $('here').hidden = all === 0;
  $('here').replaceChildren(...(all ? [element('b', '', `${all.toLocaleString()} here`), shown] : []));
  if (!$('people').hidden) showPeople();
}

function showPeople() {
  const list = hereList().map((each) => {
    const item = element('li');
    item.append(element('bdi', '', each.name));
    item.style.setProperty('--hue', hue(each.user));
    return item;
  });
  if (current?.unlisted) list.push(element('li', 'others', `and ${current.unlisted.toLocaleString()} more`));
  $('people').querySelector('ul').replaceChildren(...list);
}

function openPeople() {
  $('people').hidden = false;
  $('here').setAttribute('aria-expanded', 'true');
  showPeople();
  $('people').focus();
}

function closePeople() {
  $('people').hidden = true;
  $('here').setAttribute('aria-expanded', 'false');
}

function showTyping() {
  clearTimeout(typingTimer);
  const now = Date.now();
  const list = current ? [...current.typing.values()].filter(({ until }) => until > now).map((each) => each.name) : [];
  if (list.length > 3) $('typing').replaceChildren(`${list.length} people are typing…`);
  else $('typing').replaceChildren(...(list.length ? [...names(list), ` ${list.length === 1 ? 'is' : 'are'} typing…`] : []));
  if (list.length) typingTimer = setTimeout(showTyping, 500);
}

function showUnread() {
  const all = [...channels.values()].reduce((sum, channel) => sum + channel.unread, 0);
  document.title = (all ? `(${all}) ` : '') + (current ? `#${current.name}` : 'Chat');
  showNewer();
  showEdges();
}

// Once for all that changes it before it is drawn: it looks at each channel's place.
function showEdges() {
  edgesFrame ??= requestAnimationFrame(drawEdges);
}

// Unread channels that the list's edges hide.
function drawEdges() {
  edgesFrame = undefined;
  const view = $('channels').getBoundingClientRect();
  const hidden = { before: [], after: [] };
  for (const channel of channels.values()) {
    if (!channel.unread) continue;
    const mine = channel.badge.getBoundingClientRect();
    if (mine.bottom <= view.top + 4 || mine.right <= view.left + 4) hidden.before.push(channel);
    else if (mine.top >= view.bottom - 4 || mine.right > view.right + 4) hidden.after.push(channel);
  }
  for (const [id, list, nearest] of [['before', hidden.before, -1], ['after', hidden.after, 0]]) {
    $(id).hidden = list.length === 0;
    $(id).querySelector('span').textContent = `${list.length} unread`;
    $(id).onclick = () => list.at(nearest).item.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
}

// ---- where one is in it ----

// How the view was when it was last looked at.
let seen = { top: 0, height: 0, length: 0 };

function note() {
  const { scrollTop: top, clientHeight: height, scrollHeight: length } = $('logs');
  seen = { top, height, length };
}

function isAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = $('logs');
  return scrollHeight - scrollTop - clientHeight < 40;
}

function scrollToEnd() {
  $('logs').scrollTop = $('logs').scrollHeight;
  note();
  showNewer();
}

// Goes to the end, and stays there.
function toEnd() {
  if (!current) return;
  current.stuck = true;
  scrollToEnd();
  look();
}

function showNewer() {
  $('newer').hidden = !current || current.stuck || current.unread === 0;
}

// Only who scrolls up leaves the end: a log that grows, or a view that shrinks, does not move.
function scrolled() {
  if (!current || $('app').hidden) return;
  const before = seen;
  note();
  if (isAtEnd()) current.stuck = true;
  else if (seen.top < before.top && seen.height === before.height && seen.length === before.length) current.stuck = false;
  current.top = seen.top;
  look();
  showNewer();
  fillInView();
}

// Something has another size: the view, a message, the box that one writes in.
const sizes = new ResizeObserver(() => {
  if (current && !$('app').hidden) {
    if (current.stuck) scrollToEnd();
    else if (isAtEnd()) toEnd();
  }
  note();
  showEdges();
  fillInView();
});

// Lets a log grow in the middle, while what one reads stays where it is.
function keepPlace(channel, change) {
  const view = $('logs').getBoundingClientRect();
  const anchor = channel === current && !channel.stuck
    && [...channel.log.getElementsByClassName('message')].find((item) => item.getBoundingClientRect().bottom > view.top);
  const before = anchor && anchor.getBoundingClientRect().top;
  change();
  if (channel !== current) return;
  if (channel.stuck) return scrollToEnd();
  if (anchor) $('logs').scrollTop += anchor.getBoundingClientRect().top - before;
  channel.top = $('logs').scrollTop;
  note();
}

// A keyboard on the screen takes its room from what is seen, and not in every browser from the page.
function fitKeyboard() {
  const { height, scale } = visualViewport;
  if (scale > 1.01) return;
  const covered = height < innerHeight - 1;
  document.documentElement.style.setProperty('--height', covered ? `${height}px` : '100dvh');
  if (covered) scrollTo(0, 0);
}
