// The management API with the token of this browser tab.
const KEY = "tidegate-token";

export const token = () => sessionStorage.getItem(KEY);
export const remember = (text) => sessionStorage.setItem(KEY, text);
export const forget = () => sessionStorage.removeItem(KEY);

export class Refused extends Error {}

async function call(path, options = {}) {
  const headers = { authorization: `Bearer ${token()}`, ...(options.headers ?? {}) };
  const response = await fetch(path, { ...options, headers, cache: "no-store" }).catch(() => {
    throw new Error("The node cannot be reached; trying again.");
  });
  if (response.status === 401) throw new Refused("The token is not valid.");
  return response;
}

async function envelope(path, options) {
  const response = await call(path, options);
  const body = await response.json();
  if (!response.ok) throw new Error(body.errors?.[0]?.message ?? `Status ${response.status}`);
  return body;
}

const base = (account) => `/client/v4/accounts/${encodeURIComponent(account)}/ai-gateway/gateways`;
const logs = (account, gateway) => `${base(account)}/${encodeURIComponent(gateway)}/logs`;

export const api = {
  // Names of all accounts; null for a token that is not the administrator's.
  async accounts() {
    const response = await call("/client/v4/accounts?per_page=50");
    if (!response.ok) return null;
    return (await response.json()).result.map((account) => account.id);
  },
  async gateways(account) {
    return (await envelope(`${base(account)}?per_page=100`)).result.map((gateway) => gateway.id);
  },
  // `cursor` continues behind an earlier page.
  list(account, gateway, { filters, search, words, cursor }) {
    const query = new URLSearchParams({ per_page: "50", order_by: "created_at", order_by_direction: "desc" });
    if (filters.length) query.set("filters", JSON.stringify(filters));
    if (search) query.set("search", search);
    if (words) query.set("body_search", words);
    if (cursor) query.set("cursor", cursor);
    return envelope(`${logs(account, gateway)}?${query}`);
  },
  async sums(account, gateway, { from, to, step }) {
    const query = new URLSearchParams({ from: from.toISOString(), to: to.toISOString(), step });
    return (await envelope(`${base(account)}/${encodeURIComponent(gateway)}/analytics?${query}`)).result;
  },
  async row(account, gateway, id) {
    return (await envelope(`${logs(account, gateway)}/${id}`)).result;
  },
  async body(account, gateway, id, part) {
    const response = await call(`${logs(account, gateway)}/${id}/${part}`);
    return response.ok ? response.text() : null;
  },
  rate(account, gateway, id, feedback) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ feedback });
    return envelope(`${logs(account, gateway)}/${id}`, { method: "PATCH", headers, body });
  },
};
