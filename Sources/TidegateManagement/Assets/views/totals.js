// The last day of a gateway in figures and as bars, one an hour. Sums, not rows: they cost the node next to nothing.
import { element } from "/assets/lib/dom.js";
import { money, number } from "/assets/lib/format.js";

const HOURS = 24;
const HOUR = 3600000;
const SVG = "http://www.w3.org/2000/svg";

const shape = (name, attributes) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
};

export async function render(root, { api, account, gateway }) {
  const to = new Date(Math.floor(Date.now() / HOUR) * HOUR + HOUR);
  const from = new Date(to.getTime() - HOURS * HOUR);
  const rows = await api.sums(account, gateway, { from, to, step: "hour" });
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const requests = sum("requests");
  const figures = [
    ["Calls", number(requests)], ["Errors", requests ? `${((100 * sum("errors")) / requests).toPrecision(2)} %` : "–"],
    ["Tokens in", number(sum("tokens_in"))], ["Tokens out", number(sum("tokens_out"))], ["Cost", money(sum("cost"))],
    ["Mean duration", requests ? `${number(Math.round(sum("duration_sum") / requests))} ms` : "–"],
  ];
  root.replaceChildren(
    element("h2", {}, "Last 24 hours"),
    element(
      "dl", { class: "figures" },
      ...figures.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
    chart(rows, from));
}

function chart(rows, from) {
  const hours = Array.from({ length: HOURS }, () => ({ requests: 0, errors: 0 }));
  for (const row of rows) {
    const hour = hours[Math.floor((new Date(row.start) - from) / HOUR)];
    if (hour) Object.assign(hour, { requests: hour.requests + row.requests, errors: hour.errors + row.errors });
  }
  const highest = Math.max(1, ...hours.map((hour) => hour.requests));
  const image = shape("svg", { viewBox: `0 0 ${HOURS * 10} 40`, role: "img", class: "chart", preserveAspectRatio: "none" });
  const title = shape("title", {});
  title.textContent = `Calls of each hour, at most ${number(highest)}; errors are the lower part of a bar`;
  image.append(title);
  hours.forEach((hour, index) => {
    const bar = (value, kind) => {
      const height = (40 * value) / highest;
      image.append(shape("rect", { x: index * 10 + 1, y: 40 - height, width: 8, height, class: kind }));
    };
    bar(hour.requests, "calls");
    bar(hour.errors, "errors");
  });
  return image;
}
