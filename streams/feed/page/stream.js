// Server-sent events over fetch. EventSource hides the heartbeats, the status of a refusal and the back-off; here a
// connection that has fallen silent is noticed, what was missed is asked for by Last-Event-ID, and a number that was
// already seen is dropped: nothing is lost and nothing comes twice.

const SILENT_MS_MAX = 40_000; // heartbeats come every 15 s: two were missed
const BACK_OFF_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
const BUFFER_CHARS_MAX = 4_000_000;

export class Stream {
  /** `url` may be a function, asked at each connection. `on.event(kind, data, number)`, `on.state("connecting"|"live"|"waiting"|"refused", detail)`, `on.reset()`. */
  constructor(url, after, on) {
    this.url = url;
    this.last = after ?? null;
    this.on = on;
    this.failures = 0;
    this.closed = false;
    this.wake = () => this.retryNow();
    addEventListener("online", this.wake);
    this.run();
  }

  close() {
    this.closed = true;
    removeEventListener("online", this.wake);
    this.abort?.abort();
    clearTimeout(this.timer);
    this.resume?.();
  }

  retryNow() {
    clearTimeout(this.timer);
    this.resume?.();
  }

  async run() {
    while (!this.closed) {
      this.on.state("connecting");
      let refused = 0;
      try {
        refused = await this.connect();
      } catch {
        // a network error and a stalled connection are the same to the reader: wait and go on from the last number
      }
      if (this.closed) return;
      if (refused === 401 || refused === 403) {
        this.on.state("refused", refused);
        return;
      }
      await this.pause();
    }
  }

  async connect() {
    this.abort = new AbortController();
    const headers = { Accept: "text/event-stream" };
    if (this.last !== null) headers["Last-Event-ID"] = String(this.last);
    const response = await fetch(typeof this.url === "function" ? this.url() : this.url, { headers, cache: "no-store", credentials: "same-origin", signal: this.abort.signal });
    if (!response.ok) return response.status;
    this.failures = 0;
    this.on.state("live");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser((kind, data, id) => this.take(kind, data, id));
    try {
      for (;;) {
        this.watch();
        const { done, value } = await reader.read();
        if (done || this.closed) return 0;
        parser.feed(value);
      }
    } finally {
      clearTimeout(this.watchdog);
      this.abort.abort();
    }
  }

  watch() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.abort.abort(), SILENT_MS_MAX);
  }

  take(kind, data, id) {
    if (this.closed) return;
    const number = id === "" ? null : Number(id);
    if (kind === "reset") {
      this.last = number;
      this.on.reset();
      return;
    }
    if (number !== null) {
      if (this.last !== null && number <= this.last) return;
      this.last = number;
    }
    let record;
    try {
      record = JSON.parse(data);
    } catch {
      return; // an event that cannot be read must not end the ones behind it
    }
    this.on.event(kind, record, number);
  }

  pause() {
    const base = BACK_OFF_MS[Math.min(this.failures, BACK_OFF_MS.length - 1)];
    this.failures += 1;
    // Fifty pages that lost one server must not come back in one instant.
    const wait = base * (0.7 + Math.random() * 0.6);
    this.on.state("waiting", wait);
    return new Promise((resolve) => {
      this.resume = resolve;
      this.timer = setTimeout(resolve, wait);
    });
  }
}

/** The event-stream format (HTML, 9.2.6): lines, fields, an empty line dispatches. */
export class Parser {
  constructor(dispatch) {
    this.dispatch = dispatch;
    this.rest = "";
    this.clear();
  }

  clear() {
    this.kind = "";
    this.data = [];
    this.id = ""; // an event without a number of its own (a second of a call) moves no place in the stream
  }

  feed(text) {
    this.rest += text;
    if (this.rest.length > BUFFER_CHARS_MAX) throw new Error("an event without an end");
    // A carriage return at the end may be the first half of a line end.
    const whole = this.rest.endsWith("\r") ? this.rest.slice(0, -1) : this.rest;
    const lines = whole.split(/\r\n|\n|\r/);
    this.rest = lines.pop() + this.rest.slice(whole.length);
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length || this.kind) this.dispatch(this.kind || "message", this.data.join("\n"), this.id);
      this.clear();
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.kind = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
  }
}
