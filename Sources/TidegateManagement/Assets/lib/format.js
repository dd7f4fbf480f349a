// How values are written.
export const time = (text) => new Date(text).toLocaleTimeString([], { hour12: false });
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
