// How values are written.
const isToday = (date) => date.toDateString() === new Date(Date.now()).toDateString();
export function time(text) {
  const date = new Date(text);
  const clock = date.toLocaleTimeString([], { hour12: false });
  return isToday(date) ? clock : `${date.toLocaleDateString()} ${clock}`;
}
export const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString());
export const money = (value) => (value === null || value === undefined ? "–" : `$${value.toPrecision(3)}`);

// JSON with line breaks; anything else as it is.
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
