// Chooses the view: sign-in without a token, else the log.
import { api, forget, token } from "/assets/lib/api.js";
import { element } from "/assets/lib/dom.js";
import { render as renderLogs } from "/assets/views/logs.js";
import { render as renderSignIn } from "/assets/views/sign-in.js";

const main = document.getElementById("main");
const session = document.getElementById("session");
let stop = () => {};

function show() {
  stop();
  session.replaceChildren();
  if (!token()) {
    stop = () => {};
    renderSignIn(main, { onSignedIn: show });
    return;
  }
  const out = element("button", { type: "button" }, "Sign out");
  out.addEventListener("click", signOut);
  session.append(out);
  stop = renderLogs(main, { api });
}

function signOut() {
  forget();
  show();
}

show();
