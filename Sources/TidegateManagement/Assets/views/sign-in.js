// Asks for a token and tries it.
import { forget, remember } from "/assets/lib/api.js";
import { element, field } from "/assets/lib/dom.js";

export function render(root, { onSignedIn }) {
  const input = element("input", { type: "password", required: true, autocomplete: "off", spellcheck: "false" });
  const note = element("p", { role: "alert" });
  const form = element(
    "form", { class: "card" },
    element("h2", {}, "Sign in"),
    element("p", {}, "Use the administrator token (in the state folder, admin-token) or a token of your account."),
    field("Token", input), element("button", { type: "submit" }, "Sign in"), note);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    remember(text);
    // An account's token is told apart later, when its account is known.
    const response = await fetch("/client/v4/accounts", { headers: { authorization: `Bearer ${text}` } })
      .catch(() => null);
    if (response && (response.ok || text.startsWith("tg_"))) return onSignedIn();
    forget();
    note.textContent = response ? "The token is not valid." : "The node cannot be reached.";
    return undefined;
  });
  root.replaceChildren(form);
  input.focus();
}
