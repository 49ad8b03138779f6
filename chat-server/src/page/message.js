// ---- messages ----

const GROUP_MS = 300000;

class Entry {
  constructor(channel, content) {
    this.channel = channel;
    this.item = element('li', 'message');
    this.item.setAttribute('role', 'article'); // a log is no list, and has no items
    this.item.entry = this;
    this.sender = element('bdi', 'sender');
    this.time = element('time');
    const head = element('div', 'head');
    head.append(this.sender, this.time);
    this.item.append(head, element('div', 'content'));
    this.write(content);
  }

  write(content) {
    const text = typeof content === 'string' ? content : JSON.stringify(content) ?? '';
    this.item.querySelector('.content').replaceChildren(...linked(text));
  }

  show(author, date) {
    this.author = author;
    this.date = date;
    this.sender.textContent = author.name;
    this.item.style.setProperty('--hue', hue(author.user));
    this.item.classList.toggle('mine', author.user === user);
    this.time.textContent = date?.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) ?? '';
    this.time.dateTime = date?.toISOString() ?? '';
    this.time.title = date?.toLocaleString() ?? '';
  }

  // It is where the server says: at the end, or in a gap.
  confirm(offset, author, timestamp, gap) {
    const { channel, item } = this;
    outbox.remove(this);
    item.classList.remove('pending', 'failed');
    item.querySelector('.trouble')?.remove();
    this.offset = offset;
    item.dataset.offset = offset;
    channel.entries.set(offset, this);
    const date = new Date(timestamp);
    this.show(author, isNaN(date) ? new Date() : date);
    if (gap) return gap.item.after(item);
    channel.append(item);
    follow(item);
  }

  // What its author made of it later.
  change({ content, deleted }) {
    this.deleted = deleted;
    this.item.classList.toggle('deleted', deleted);
    this.write(deleted ? 'taken back' : content);
    if (!deleted && !this.item.querySelector('.changed')) this.item.append(element('div', 'changed', 'edited'));
  }
}

// Text with its addresses as links, and nothing else. An address ends before what would show it as another than it is.
function linked(text) {
  const parts = [];
  let at = 0;
  for (const { 0: found, index } of text.matchAll(/\b(?:https?:\/\/|www\.)[^\s<>"\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gi)) {
    const shown = ended(found);
    const to = /^www\./i.test(shown) ? 'https://' + shown : shown;
    if (!isAddress(to)) continue;
    const link = element('a', '', shown);
    link.href = to;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    parts.push(text.slice(at, index), link);
    at = index + shown.length;
  }
  parts.push(text.slice(at));
  return parts;
}

function isAddress(text) {
  try { return new URL(text).hostname.replaceAll('.', '') !== ''; } catch { return false; }
}

// Without the sentence's own signs behind it; a bracket stays if it was opened within.
function ended(address) {
  const counts = {};
  for (const each of address) if ('()[]{}'.includes(each)) counts[each] = (counts[each] ?? 0) + 1;
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1];
    const opener = { ')': '(', ']': '[', '}': '{' }[last];
    if (opener ? (counts[opener] ?? 0) >= counts[last] : !/[.,;:!?'*_~…”’»。，、！？）」]/.test(last)) break;
    if (opener) counts[last] -= 1;
  }
  return address.slice(0, end);
}

function dayOf(date) {
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : 'numeric';
  return element('li', 'day', date.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long', year }));
}

// What stands before a message decides whether it begins a day, or goes on with what its author said.
function follow(item) {
  let before = item.previousElementSibling;
  while (before && !before.matches('.message')) before = before.previousElementSibling;
  const { date, author } = item.entry;
  const sameDay = before?.entry.date?.toDateString() === date.toDateString();
  if (!sameDay) item.before(dayOf(date));
  const grouped = sameDay && item.previousElementSibling === before && isSame(before.entry.author, author) && date - before.entry.date < GROUP_MS;
  item.classList.toggle('grouped', grouped);
}

function arrange(log) {
  for (const day of log.querySelectorAll('.day')) day.remove();
  for (const item of log.querySelectorAll('.message[data-offset]')) follow(item);
}

// Who said it: the server names the user where that is another word than the name that is shown.
function authorOf({ senderName, user = senderName }) {
  return { name: senderName, user };
}

function isSame(one, other) {
  return one.user === other.user && one.name === other.name;
}

// Names that differ in one letter are far from each other: the golden angle apart.
function hue(text) {
  let hash = 7;
  for (const character of text) hash = (hash * 31 + character.codePointAt(0)) % 1000003;
  return (hash * 137.508) % 360;
}
