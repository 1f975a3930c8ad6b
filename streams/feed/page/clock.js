// The server's clock. Ages, and what time alone opens and closes, are counted by it: a browser's own may be wrong by minutes.

const CLOSE_MS = 5_000; // a header tells whole seconds, and the way takes time
let ahead_ms = 0;

/** An answer that was asked for at `asked` and has just come says when it was made. */
export function tellClock(response, asked) {
  const at = Date.parse(response.headers.get("Date") || "");
  if (Number.isNaN(at)) return;
  const off = at + 500 - (asked + Date.now()) / 2;
  ahead_ms = Math.abs(off) > CLOSE_MS ? off : 0;
}

export const now = () => Date.now() + ahead_ms;
