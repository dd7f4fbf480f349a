// The rows of one gateway, newest first, a page at a time. The first page is asked for again every two seconds.
import { Refused } from "/assets/lib/api.js";
import { element, field } from "/assets/lib/dom.js";
import { money, number, time } from "/assets/lib/format.js";
import { make as makeFilters } from "/assets/views/filters.js";
import { render as renderRow } from "/assets/views/row.js";
import { render as renderTotals } from "/assets/views/totals.js";

const COLUMNS = ["Time", "Result", "Provider", "Model", "Tokens in", "Tokens out", "Cost", "Duration", ""];

const FIRST = { number: 1, query: null, cursor: null, next: null };

export function render(root, { api }) {
  const account = element("input", { value: "default", list: "accounts" });
  const accounts = element("datalist", { id: "accounts" });
  const gateway = element("select");
  const filters = makeFilters(() => toNewest());
  const newest = element("button", { type: "button", disabled: true }, "Newest");
  const older = element("button", { type: "button", disabled: true }, "Older");
  const totals = element("section", { "aria-label": "Totals", class: "totals", hidden: true });
  const note = element("p", { role: "status", "aria-live": "polite" });
  const body = element("tbody");
  const detail = element("section", { "aria-label": "Details", hidden: true });
  const table = element(
    "table", {}, element("caption", {}, "Calls"),
    element("thead", {}, element("tr", {}, ...COLUMNS.map((name) => element("th", { scope: "col" }, name)))), body);
  root.replaceChildren(
    element(
      "form", { class: "filters", "aria-label": "Filters" }, field("Account", account), accounts,
      field("Gateway", gateway), ...filters.fields),
    totals, note,
    element("div", { class: "columns" }, element("div", { class: "scroll" }, table), detail),
    element("nav", { class: "pages", "aria-label": "Pages" }, newest, older));
  root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

  let timer = 0;
  let page = { ...FIRST };
  let asked = 0;
  let shown = "";
  let stopped = false;

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
        // Older pages go on with the question of the first: its time does not move with the clock.
        const query = page.query ?? filters.query();
        const answer = await api.list(account.value, gateway.value, { ...query, cursor: page.cursor });
        if (mine !== asked || stopped) return;
        // Unchanged rows stay as they are: the focus is in one of them.
        const text = JSON.stringify(answer.result);
        if (text !== shown) {
          shown = text;
          body.replaceChildren(...answer.result.map(line));
        }
        page.next = answer.result_info.cursor ? { query, cursor: answer.result_info.cursor } : null;
        older.disabled = !page.next;
        newest.disabled = page.number === 1;
        say(count(answer));
        if (page.number === 1) await showTotals(mine);
      } else {
        say("No gateway to show: this account has none.");
      }
    } catch (error) {
      if (stopped || mine !== asked) return;
      say(why(error));
    }
    // Older pages do not change by themselves.
    if (!stopped && mine === asked && page.number === 1) timer = setTimeout(refresh, 2000);
  }

  function count(answer) {
    const { total_count: total, partial, total_count_exact: isExact, bodies_not_searched: unread } = answer.result_info;
    const matches = `${isExact === false ? "More than " : ""}${number(total)} calls match`;
    const rest = partial ? "; not all were searched: narrow the question or go on with Older" : "";
    const bodies = unread ? `; bodies of ${number(unread)} older calls have no index and were not searched` : "";
    return `${matches}; page ${page.number}, ${answer.result.length} shown${rest}${bodies}`;
  }

  async function showTotals(mine) {
    const part = element("div");
    await renderTotals(part, { api, account: account.value, gateway: gateway.value });
    if (mine !== asked || stopped) return;
    totals.replaceChildren(...part.childNodes);
    totals.hidden = false;
  }

  function toNewest() {
    page = { ...FIRST };
    refresh();
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
    page = { ...FIRST };
    body.replaceChildren();
    detail.hidden = true;
    totals.hidden = true;
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
  newest.addEventListener("click", toNewest);
  older.addEventListener("click", () => {
    if (!page.next) return;
    page = { number: page.number + 1, ...page.next, next: null };
    refresh();
  });
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
