// What is asked for: the form above the list.
import { element, field } from "/assets/lib/dom.js";

const TIMES = [["Any time", 0], ["Last 15 minutes", 15], ["Last hour", 60], ["Last day", 1440], ["Last 30 days", 43200]];

const options = (list) => list.map(([text, value]) => element("option", { value }, text));

// `changed` is called with every change but that of the account or the gateway.
export function make(changed) {
  const success = element("select", {}, ...options([["All", ""], ["Success", "true"], ["Error", "false"]]));
  const time = element("select", {}, ...options(TIMES));
  const provider = element("input", { placeholder: "any, or its whole name" });
  const model = element("input", { placeholder: "any, or a part of it" });
  const status = element("input", { placeholder: "any", inputmode: "numeric", size: "5" });
  const search = element("input", { type: "search", placeholder: "text in any column" });
  const words = element("input", { type: "search", placeholder: "words of requests and answers" });
  for (const input of [success, time]) input.addEventListener("change", changed);
  for (const input of [provider, model, status, search, words]) input.addEventListener("input", changed);

  return {
    fields: [
      field("Result", success), field("Time", time), field("Provider", provider), field("Model", model),
      field("Status", status), field("Search", search), field("In bodies", words),
    ],
    // As the API takes it.
    query() {
      const filters = [];
      const add = (key, operator, value) => value && filters.push({ key, operator, value: [value] });
      add("success", "eq", success.value);
      add("provider", "eq", provider.value.trim());
      add("model", "contains", model.value.trim());
      add("status_code", "eq", status.value.trim());
      const minutes = Number(time.value);
      if (minutes) add("created_at", "gt", new Date(Date.now() - minutes * 60000).toISOString());
      return { filters, search: search.value.trim(), words: words.value.trim() };
    },
  };
}
