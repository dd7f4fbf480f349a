// Builds elements. Text only ever becomes a text node, so nothing from a log can turn into markup.
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children) node.append(child instanceof Node ? child : String(child));
  return node;
}

export function field(label, input) {
  return element("label", {}, element("span", {}, label), input);
}
