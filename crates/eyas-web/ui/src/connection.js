// The connection to the program, opened again whenever it breaks.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

/**
 * Connects to `/live`. `on.open()` comes first on every connection, after which the program tells everything anew;
 * then `on.message(object)` and `on.poses(ArrayBuffer)`; `on.state(text)` says how the connection is.
 */
export function connect(on) {
  let socket = null;
  let wait = FIRST_WAIT_MS;

  function open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      wait = FIRST_WAIT_MS;
      on.state("connected", true);
      on.open();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") on.message(JSON.parse(data));
      else on.poses(data);
    };
    socket.onclose = () => {
      on.state(`not connected, next try in ${Math.ceil(wait / 1000)} s`, false);
      setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    };
  }

  open();
  return (request) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
  };
}
