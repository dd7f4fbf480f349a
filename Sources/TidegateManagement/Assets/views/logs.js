// The newest rows of one gateway, asked for again every two seconds.
import { Refused } from "/assets/lib/api.js";
import { element, field } from "/assets/lib/dom.js";
import { money, number, time } from "/assets/lib/format.js";
import { render as renderRow } from "/assets/views/row.js";

const COLUMNS = ["Time", "Result", "Provider", "Model", "Tokens in", "Tokens out", "Cost", "Duration", ""];

export function render(root, { api }) {
  const account = element("input", { value: "default", list: "accounts" });
  const accounts = element("datalist", { id: "accounts" });
  const gateway = element("select");
  const success = element(
    "select", {}, element("option", { value: "" }, "All"), element("option", { value: "true" }, "Success"),
    element("option", { value: "false" }, "Error"));
  const provider = element("input", { placeholder: "any, or its whole name" });
  const model = element("input", { placeholder: "any, or a part of it" });
  const note = element("p", { role: "status", "aria-live": "polite" });
  const body = element("tbody");
  const detail = element("section", { "aria-label": "Details", hidden: true });
  const table = element(
    "table", {}, element("caption", {}, "Newest calls"),
    element("thead", {}, element("tr", {}, ...COLUMNS.map((name) => element("th", { scope: "col" }, name)))), body);
  root.replaceChildren(
    element(
      "form", { class: "filters", "aria-label": "Filters" }, field("Account", account), accounts,
      field("Gateway", gateway), field("Result", success), field("Provider", provider), field("Model", model)),
    note, element("div", { class: "columns" }, element("div", { class: "scroll" }, table), detail));
  root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

  let timer = 0;
  let asked = 0;
  let shown = "";
  let stopped = false;

  function filters() {
    const all = [];
    const add = (key, operator, value) => value && all.push({ key, operator, value: [value] });
    add("success", "eq", success.value);
    add("provider", "eq", provider.value.trim());
    add("model", "contains", model.value.trim());
    return all;
  }

  function line(row) {
    const open = element("button", { type: "button", "aria-label": `Details of ${row.id}` }, "Open");
    const show = () => renderRow(detail, { api, account: account.value, gateway: gateway.value, id: row.id, from: open });
    open.addEventListener("click", (event) => {
      event.stopPropagation();
      show();
    });
    const result = row.success ? "✓" : "✗";
    const cells = [
      time(row.created_at), `${result} ${row.status_code}${row.cached ? " cached" : ""}`, row.provider, row.model,
      number(row.tokens_in), number(row.tokens_out), money(row.cost), `${number(row.duration)} ms`,
    ];
    const tr = element("tr", { class: row.success ? "" : "failed" }, ...cells.map((text) => element("td", {}, text)));
    tr.append(element("td", {}, open));
    tr.addEventListener("click", show);
    return tr;
  }

  async function refresh() {
    clearTimeout(timer);
    const mine = ++asked;
    try {
      if (gateway.value) {
        const page = await api.list(account.value, gateway.value, filters());
        if (mine !== asked || stopped) return;
        // Unchanged rows stay as they are: the focus is in one of them.
        const text = JSON.stringify(page.result);
        if (text !== shown) {
          shown = text;
          body.replaceChildren(...page.result.map(line));
        }
        say(`${page.result_info.total_count} calls match; the newest 50 are shown`);
      } else {
        say("No gateway to show: this account has none.");
      }
    } catch (error) {
      if (stopped || mine !== asked) return;
      say(why(error));
    }
    if (!stopped && mine === asked) timer = setTimeout(refresh, 2000);
  }

  // Said again only when it changes: a screen reader reads it each time.
  function say(text) {
    if (note.textContent !== text) note.textContent = text;
  }

  function why(error) {
    return error instanceof Refused
      ? "The token is not valid for this account. Choose another account, or sign out." : error.message;
  }

  function startOver() {
    shown = "";
    body.replaceChildren();
    detail.hidden = true;
  }

  async function loadGateways() {
    clearTimeout(timer);
    const mine = ++asked;
    startOver();
    gateway.replaceChildren();
    try {
      const names = await api.gateways(account.value);
      if (mine !== asked || stopped) return;
      gateway.replaceChildren(...names.map((name) => element("option", {}, name)));
    } catch (error) {
      if (mine !== asked || stopped) return;
      say(why(error));
      // The node may come back, the token may be given its right.
      timer = setTimeout(loadGateways, 2000);
      return;
    }
    refresh();
  }

  async function start() {
    try {
      const names = await api.accounts();
      if (names) accounts.replaceChildren(...names.map((name) => element("option", { value: name })));
    } catch (error) {
      say(why(error));
    }
    await loadGateways();
  }

  account.addEventListener("change", loadGateways);
  gateway.addEventListener("change", () => {
    startOver();
    refresh();
  });
  success.addEventListener("change", refresh);
  for (const input of [provider, model]) input.addEventListener("input", refresh);
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
