// ---- channels ----

const KEPT = 500, CHANGES = 1000, TYPING_MS = 4000, JOIN_AGAIN_MS = 5000, READ_MS = 1000, READ_MS_EACH = 50;

const channels = new Map();
let current = null, readTimer;

class Channel {
  constructor(channelName) {
    this.name = channelName;
    this.joined = false;
    this.remembered = false; // by all tabs
    this.offset = 0;
    this.entries = new Map(); // of this epoch, by offset
    this.waiting = []; // those without a place yet, the last in the log
    this.gaps = new Set();
    // What was said of messages, by their offset: they may be shown only later.
    this.changes = new Map();
    this.here = new Map();
    this.unlisted = 0;
    this.typing = new Map();
    this.typed = 0; // when others were last told that this person types
    // How far this person has read, and what the server was told of it.
    this.read = this.toldRead = this.unread = 0;
    this.draft = tabMemory.read('draft.' + channelName) ?? '';
    // Whether the view is at its end, and else where.
    this.stuck = true;
    this.top = 0;
    this.log = element('ol');
    this.log.setAttribute('role', 'log');
    this.log.setAttribute('aria-label', channelName);
    this.log.hidden = true;
    $('logs').append(this.log);
    sizes.observe(this.log);
    $('channels').append(this.makeItem());
  }

  makeItem() {
    this.button = element('button');
    this.button.type = 'button';
    this.button.dataset.channel = this.name;
    this.badge = element('span', 'unread');
    this.badge.hidden = true;
    this.button.append(element('bdi', '', this.name), this.badge);
    this.button.onclick = (event) => {
      visit(this);
      // With a mouse one goes on by writing; a keyboard stays where it is.
      if (event.detail && matchMedia('(hover: hover)').matches) $('text').focus();
    };
    const leaving = element('button', 'leave', '×');
    leaving.type = 'button';
    leaving.setAttribute('aria-label', `Leave ${this.name}`);
    leaving.onclick = () => leave(this);
    this.item = element('li');
    this.item.append(this.button, leaving);
    return this.item;
  }

  subscribed({ epoch, offset, recovered, already, present, users, sessions }) {
    this.joined = true;
    const first = this.epoch === undefined;
    if (this.epoch !== epoch) this.begin(epoch, offset);
    else if (!recovered && !already && offset > this.offset) this.miss(this.offset + 1, offset);
    // What was recovered follows, from the last that was heard on.
    if (!recovered && !already) this.offset = offset;
    if (present) this.showPresence({ present, users });
    else if (first) this.read = this.toldRead = offset;
    if (present && users > present.length) this.askRead();
    flush(this);
    this.tellRead();
    if (this === current) {
      look();
      fillInView();
    }
    fillNext();
  }

  // Another life of the channel: offsets and marks begin anew. What is shown of the life before stays.
  begin(epoch, offset) {
    const shown = [...this.log.querySelectorAll('.message[data-offset]')].at(-1)?.entry;
    for (const gap of [...this.gaps]) gap.close();
    this.entries.clear();
    this.changes.clear();
    this.read = this.toldRead = 0;
    if (shown) this.append(element('li', 'notice', 'Reconnected: messages may be missing here'));
    this.epoch = epoch;
    this.offset = 0;
    for (const entry of [...this.waiting]) if (entry.place) entry.settle();
    if (offset > 0) this.append(new Gap(this, { from: 1, to: offset, since: +(shown?.date ?? 0) }).item);
  }

  miss(from, to) {
    this.append(new Gap(this, { from, to, told: true }).item);
  }

  told(frame) {
    if (frame.type === 'message') this.hear(frame);
    else if (frame.type === 'lost') this.lost(frame);
    else if (frame.type === 'presence') this.showPresence(frame);
    else if (frame.type === 'signal') this.showTyping(frame);
    else if (frame.type === 'unsubscribed') {
      forget(this);
      complain(frame);
    }
  }

  // Without a connection nothing is known of what others do.
  cut() {
    this.joined = false;
    this.typing.clear();
    if (this === current) showTyping();
  }

  lost({ from, to, presence }) {
    if (presence) return this.askPresence();
    this.offset = to;
    this.miss(from, to);
    fillNext();
  }

  askPresence() {
    request({ type: 'presence', channelId: this.name }, { answered: (frame) => this.showPresence(frame), refused: quiet });
  }

  // Who is here: all at once, or what has changed.
  showPresence({ present, users = 0, joined = [], left = [] }) {
    if (present) {
      this.here.clear();
      this.unlisted = Math.max(0, users - present.length);
    }
    for (const each of present ?? joined) {
      this.here.set(each.user, each.name ?? each.user);
      if (each.user === user) this.haveRead(each.read ?? 0);
    }
    for (const each of left) this.here.delete(each);
    if (this === current) showHere();
  }

  showTyping(signal) {
    const author = authorOf(signal);
    if (author.user === user || !signal.content?.typing) return;
    this.typing.set(author.user, { name: author.name, until: Date.now() + TYPING_MS });
    if (this === current) showTyping();
  }

  hear(message) {
    const { offset } = message;
    if (offset === undefined) return this.pass(message);
    if (offset <= this.offset) return;
    this.offset = offset;
    this.typing.delete(authorOf(message).user);
    const entry = this.apply(message);
    if (this === current) {
      showTyping();
      look();
    }
    if (entry && this.counts(entry)) {
      this.unread += 1;
      this.showUnread();
    }
  }

  // What is kept nowhere has no place: it is shown once, at the end.
  pass(message) {
    const { item } = new Entry(this, message.content);
    item.entry.show(authorOf(message), new Date(message.timestamp));
    this.append(item);
    follow(item);
  }

  // A message, or what one says of an earlier one; `gap` is where it was missing, if it was.
  apply(message, gap) {
    const { offset, content, timestamp, edits, deletes } = message;
    const about = edits ?? deletes;
    if (about !== undefined) return this.change(about, { offset, content, deleted: deletes !== undefined });
    const author = authorOf(message);
    const entry = this.entries.get(offset) ?? this.inDoubt(offset, author, content) ?? new Entry(this, content);
    if (entry.offset !== undefined) return null;
    entry.confirm(offset, author, timestamp, gap);
    if (this.changes.has(offset)) entry.change(this.changes.get(offset));
    return entry;
  }

  // The last word on a message counts, in whatever order they are heard.
  change(about, change) {
    if (this.changes.get(about)?.offset > change.offset) return;
    this.changes.set(about, change);
    this.entries.get(about)?.change(change);
    if (this.unread && change.deleted) this.recount();
    if (this.changes.size > CHANGES) this.changes.delete(this.changes.keys().next().value);
  }

  // One's own message whose answer was lost, which this is the copy of.
  inDoubt(offset, author, content) {
    if (author.user !== user) return undefined;
    return this.waiting.find((each) => !each.place && each.isInDoubt() && each.record.text === content && offset > each.record.after);
  }

  // Behind all that has its place, before all that has none yet.
  append(item) {
    this.log.insertBefore(item, this.waiting[0]?.item ?? null);
    this.trim();
  }

  // Who has scrolled up keeps more, but not all there ever was.
  trim() {
    const most = this.stuck ? KEPT : 4 * KEPT;
    const items = this.log.getElementsByClassName('message');
    let last = 0;
    while (items.length - this.waiting.length > most) {
      const { entry } = items[0];
      if (this.entries.get(entry.offset) === entry) {
        this.entries.delete(entry.offset);
        last = entry.offset;
      }
      while (this.log.firstElementChild !== entry.item) this.log.firstElementChild.remove();
      entry.item.remove();
    }
    if (last === 0) return;
    for (const gap of this.gaps) if (!gap.item.isConnected) this.gaps.delete(gap);
    const gap = new Gap(this, { from: 1, to: last });
    gap.fresh = false;
    this.log.prepend(gap.item);
  }

  // What is half written, of this tab.
  keepDraft(text) {
    this.draft = text;
    tabMemory.write('draft.' + this.name, text || null);
  }

  // ---- what was read ----

  counts(entry) {
    return entry.offset > this.read && entry.author.user !== user && !entry.deleted;
  }

  isNew() {
    return this.offset > this.read;
  }

  recount() {
    this.unread = 0;
    for (const entry of this.entries.values()) if (this.counts(entry)) this.unread += 1;
    this.showUnread();
  }

  // As the server knows it, from another tab or before.
  haveRead(offset) {
    this.toldRead = Math.max(this.toldRead, offset);
    if (offset <= this.read) return;
    this.read = offset;
    if (this.unread) this.recount();
  }

  // All that is here has been seen.
  see() {
    if (this.read >= this.offset) return;
    this.read = this.offset;
    if (this.unread) this.recount();
    // The more are here, the more hear of it: the later it is told.
    readTimer ??= setTimeout(tellRead, READ_MS + READ_MS_EACH * (this.here.size + this.unlisted));
  }

  tellRead() {
    if (!this.joined || this.read <= this.toldRead) return;
    const before = this.toldRead;
    this.toldRead = this.read;
    request({ type: 'read', channelId: this.name, offset: this.read }, { refused: quiet, lost: () => { this.toldRead = before; } });
  }

  // The server's list is too long to hold everybody.
  askRead() {
    request({ type: 'read', channelId: this.name, offset: 0 }, { answered: ({ offset }) => this.haveRead(offset), refused: quiet });
  }

  showUnread() {
    const beyond = this.unread && [...this.gaps].some(({ to }) => to > this.read);
    this.badge.textContent = this.unread > 99 ? '99+' : `${this.unread}${beyond ? '+' : ''}`;
    this.badge.hidden = this.unread === 0;
    this.button.setAttribute('aria-label', this.unread ? `${this.name}, ${this.badge.textContent} unread` : this.name);
    showUnread();
  }
}

function tellRead() {
  clearTimeout(readTimer);
  readTimer = undefined;
  for (const channel of channels.values()) channel.tellRead();
}

// What is in view, at its end, is read.
function look() {
  if (current?.joined && !document.hidden && current.stuck && !$('app').hidden) current.see();
}

function subscribe(channel) {
  const since = channel.epoch && { epoch: channel.epoch, offset: channel.offset };
  request({ type: 'subscribe', channelId: channel.name, presence: true, overflow: 'resync', since }, {
    answered: (frame) => channel.subscribed(frame),
    refused(error) {
      if (!isTemporary(error)) forget(channel);
      complain(error);
      if (!channels.has(channel.name)) return;
      setTimeout(() => { if (channels.get(channel.name) === channel && !channel.joined) subscribe(channel); }, JOIN_AGAIN_MS);
    },
  });
}

function add(channelName) {
  const known = channels.get(channelName);
  if (known) return known;
  const channel = new Channel(channelName);
  channels.set(channelName, channel);
  showEdges();
  return channel;
}

// `how` it is opened: as a step that leads back, or in the place of the one before.
function join(wished, how = visit) {
  const channelName = tidy(wished);
  if (!channelName) return say('That is no name of a channel.');
  if (bytes(channelName) > NAME_BYTES) return say(`The name of a channel has at most ${NAME_BYTES} bytes.`);
  const known = channels.has(channelName);
  const channel = add(channelName);
  channel.remembered = true;
  remembered.add(channelName);
  if (!known) subscribe(channel);
  how(channel);
}

// Goes to the neighbour, since that is what the person asked for.
function leave(channel) {
  const all = [...channels.values()];
  const at = all.indexOf(channel);
  request({ type: 'unsubscribe', channelId: channel.name }, { refused: quiet });
  drop(channel);
  remembered.remove(channel.name);
  if (current === channel) open(all[at + 1] ?? all[at - 1] ?? null);
  (current?.button ?? $('channel')).focus();
}

// The server took it away: whoever is just writing there must not go on in another channel.
function forget(channel) {
  drop(channel);
  remembered.remove(channel.name);
  if (current === channel) open(null);
}

// What was written and not sent waits for a return.
function drop(channel) {
  channels.delete(channel.name);
  const unsent = channel.waiting.filter(({ place }) => !place).map(({ record }) => record.text);
  for (const entry of [...channel.waiting]) entry.remove();
  channel.keepDraft([...unsent, channel.draft].filter(Boolean).join('\n'));
  sizes.unobserve(channel.log);
  channel.item.remove();
  channel.log.remove();
  showUnread();
}
