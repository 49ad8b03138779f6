// ---- what is missing in a log, and may still be had ----

const PAGE = 50, MOST_AT_ONCE = 300, FILLED = 500, FILL_PAUSE_MS = 20;
let filling = null, fillTimer;

// The messages from one offset to another, which are not shown: those before the first that is, or between two. What the server has of
// them takes their place, the newest first.
class Gap {
  // `since`: what was said until then is shown already, from another life of the channel. `told`: that the rest is missing has to be said.
  constructor(channel, { from, to, told = false, since = 0 }) {
    Object.assign(this, { channel, from, to, told, since, asking: false, filled: 0, fresh: true });
    this.item = element('li', 'gap');
    this.button = element('button');
    this.button.type = 'button';
    this.button.onclick = () => this.ask();
    this.item.append(this.button);
    channel.gaps.add(this);
    this.label();
  }

  label() {
    const count = this.to - this.from + 1;
    this.button.textContent = this.told ? `Show ${count} missed ${count === 1 ? 'message' : 'messages'}` : 'Show older messages';
    this.channel.log.setAttribute('aria-busy', String([...this.channel.gaps].some(({ asking }) => asking)));
  }

  ask() {
    if (this.asking || !this.channel.joined) return;
    this.asking = true;
    this.label();
    const { channel, from, to, told } = this;
    request({ type: 'history', channelId: channel.name, epoch: channel.epoch, after: from > 1 ? from - 1 : undefined, before: to + 1,
      reverse: true, limit: told ? MOST_AT_ONCE : PAGE }, {
      answered: (frame) => this.answered(() => this.fill(frame)),
      refused: (error) => this.answered(() => this.refused(error)),
      lost: () => this.answered(quiet),
    });
  }

  answered(then) {
    this.asking = false;
    if (this.channel.gaps.has(this)) then();
    this.label();
    if (filling === this) filling = null;
    clearTimeout(fillTimer);
    fillTimer = setTimeout(fillNext, FILL_PAUSE_MS);
  }

  refused(error) {
    this.fresh = false;
    if (isTemporary(error)) complain(error);
    else this.close();
  }

  fill({ messages, more }) {
    const { channel } = this;
    keepPlace(channel, () => {
      for (const message of messages) {
        if (Date.parse(message.timestamp) <= this.since) {
          more = this.told = false;
          break;
        }
        channel.apply(message, this);
        this.to = message.offset - 1;
      }
      this.filled += messages.length;
      this.fresh = this.told && this.filled < FILLED;
      if (!more || !messages.length || this.to < this.from) this.close();
      else this.label();
      arrange(channel.log);
    });
    channel.recount();
    if (channel === current) look();
  }

  close() {
    this.channel.gaps.delete(this);
    const missing = this.to - this.from + 1;
    if (this.told && missing > 0) this.item.replaceWith(element('li', 'notice', missedText(missing)));
    else this.item.remove();
  }

  isInView() {
    const [view, mine] = [$('logs').getBoundingClientRect(), this.item.getBoundingClientRect()];
    return mine.bottom > view.top - 80 && mine.top < view.bottom + 80;
  }
}

function missedText(count) {
  return `You missed ${count} ${count === 1 ? 'message' : 'messages'}`;
}

// One after the other: what is in view, then what is unread, then the rest, so that many channels are no flood.
function fillNext() {
  if (filling?.asking) return;
  const open = (channel) => channel.joined && [...channel.gaps].find(({ fresh }) => fresh);
  const next = [current, ...[...channels.values()].sort((a, b) => b.isNew() - a.isNew())].find((each) => each && open(each));
  if (!next) return;
  filling = open(next);
  filling.ask();
}

function fillInView() {
  if (!current || $('app').hidden) return;
  for (const gap of current.gaps) if (!gap.fresh && !gap.asking && gap.isInView()) gap.ask();
}
