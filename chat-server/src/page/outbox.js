// ---- what was written and has no place yet ----

// The server knows a key for five minutes; the first frame with it may have been on its way for a while.
const FRAME_ROOM = 256, KEY_MS = 240000, WAITING = 100, WAITING_LENGTH = 1000000;

// All channels' messages that wait, kept over a reload of this tab.
const outbox = {
  all: [],
  save() {
    tabMemory.write('outbox', this.all.length ? this.all.map(({ record }) => record) : null);
  },
  isFull(text) {
    return this.all.length >= WAITING || this.all.reduce((sum, { record }) => sum + record.text.length, text.length) > WAITING_LENGTH;
  },
  add(entry) {
    this.all.push(entry);
    entry.channel.waiting.push(entry);
    this.save();
  },
  // Known to be published, or given up.
  delete(entry) {
    if (!this.all.includes(entry)) return;
    this.all.splice(this.all.indexOf(entry), 1);
    this.save();
  },
  remove(entry) {
    const { waiting } = entry.channel;
    if (waiting.includes(entry)) waiting.splice(waiting.indexOf(entry), 1);
    this.delete(entry);
  },
  // As they were before a reload.
  restore() {
    const kept = tabMemory.read('outbox');
    for (const record of Array.isArray(kept) ? kept : []) {
      const channelName = tidy(record?.channel);
      if (!channelName || typeof record.text !== 'string' || typeof record.key !== 'string') continue;
      const entry = new Unsent(add(channelName), record);
      if (record.why) entry.fail(record.why);
    }
  },
};

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// How many bytes more than may go at once.
function excess(channel, text) {
  if (text.length < messageBytes / 12) return 0;
  return bytes(JSON.stringify({ channelId: channel.name, content: whole(text) })) + FRAME_ROOM - messageBytes;
}

// One's own message. It is sent when its channel is joined, again with its key as long as no answer came, and so is said once.
class Unsent extends Entry {
  constructor(channel, record) {
    super(channel, record.text);
    this.record = record;
    this.item.classList.add('pending');
    this.show({ name, user });
    channel.log.append(this.item);
    outbox.add(this);
  }

  send() {
    if (this.asked || this.place || this.record.why) return;
    const over = excess(this.channel, this.record.text);
    if (over > 0) return this.fail(`Not sent: it is too long by ${over.toLocaleString()} bytes.`, false);
    if (!this.channel.joined) return;
    if (this.isInDoubt() && !this.keyHelps()) return this.fail('It may have been sent already.');
    const { record } = this;
    record.sent ??= Date.now();
    record.as ??= user;
    record.epoch ??= this.channel.epoch;
    record.after ??= this.channel.offset;
    this.asked = true;
    outbox.save();
    request({ type: 'publish', channelId: this.channel.name, content: record.text, key: record.key }, {
      entry: this,
      answered: ({ offset }) => this.placed(offset),
      refused: (error) => this.refused(error),
      lost: () => { this.asked = false; },
    });
  }

  // It was sent, and whether it arrived is not known.
  isInDoubt() {
    return this.record.sent !== undefined;
  }

  keyHelps() {
    const { as, epoch, sent } = this.record;
    return as === user && epoch === this.channel.epoch && Date.now() - sent < KEY_MS;
  }

  // Its own copy may have come before this answer: then that one stays.
  placed(offset) {
    this.asked = false;
    outbox.delete(this);
    if (this.offset !== undefined) return;
    const { entries } = this.channel;
    if (entries.has(offset) || offset <= this.channel.offset) return this.remove();
    this.place = offset;
    entries.set(offset, this);
  }

  // Published, but its copy will not come any more.
  settle() {
    this.item.classList.remove('pending');
    outbox.remove(this);
  }

  remove() {
    this.item.remove();
    outbox.remove(this);
  }

  refused(error) {
    this.asked = false;
    if (this.offset !== undefined) return;
    // An internal error says nothing of whether it was published. Else it was not.
    if (error.code !== 100) this.record.sent = this.record.as = this.record.epoch = this.record.after = undefined;
    this.fail(`${error.code === 100 ? 'It may not have been kept' : 'Not sent'}, ${reasonOf(error)}`);
  }

  fail(why, retry = true) {
    this.asked = false;
    this.record.why = why;
    outbox.save();
    this.item.classList.replace('pending', 'failed');
    this.item.querySelector('.trouble')?.remove();
    const trouble = element('div', 'trouble', why + ' ');
    if (retry) trouble.append(action('Send again', () => this.again(), 'retry'));
    trouble.append(action('Edit', () => this.edit(), 'edit'), action('Discard', () => this.discard(), 'discard'));
    this.item.append(trouble);
  }

  again() {
    const { channel, record } = this;
    const kept = this.isInDoubt() && this.keyHelps() ? { ...record, why: undefined } : { channel: channel.name, text: record.text, key: newKey() };
    this.remove();
    new Unsent(channel, kept).send();
    toEnd();
    $('text').focus();
  }

  discard() {
    this.remove();
    $('text').focus();
  }

  edit() {
    this.remove();
    writeInBox([$('text').value, this.record.text].filter(Boolean).join('\n'));
    $('text').focus();
  }
}

function action(label, act, className) {
  const button = element('button', className, label);
  button.type = 'button';
  button.onclick = act;
  return button;
}

function longest(entries) {
  return entries.sort((a, b) => b.record.text.length - a.record.text.length)[0];
}

function flush(channel) {
  for (const entry of [...channel.waiting]) entry.send();
}

// Whether it was taken: else it stays where it was written.
function sendText(channel, text) {
  if (outbox.isFull(text)) {
    say('Not sent: that is more than can wait for the connection.');
    return false;
  }
  new Unsent(channel, { channel: channel.name, text: whole(text), key: newKey() }).send();
  toEnd();
  return true;
}
