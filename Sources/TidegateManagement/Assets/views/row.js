// One row: its fields, both bodies and the feedback buttons.
import { element } from "/assets/lib/dom.js";
import { pretty } from "/assets/lib/format.js";

const HIDDEN = ["request_head", "response_head", "request_head_complete", "response_head_complete"];

export async function render(root, { api, account, gateway, id, from }) {
  const close = element("button", { type: "button" }, "Close");
  const note = element("p", { role: "status" });
  const feedback = element("div", { class: "feedback", role: "group", "aria-label": "Feedback" });
  const fields = element("dl");
  const bodies = element("div");
  close.addEventListener("click", () => {
    root.hidden = true;
    from.focus();
  });
  root.replaceChildren(
    element("h2", { tabindex: "-1" }, "Call"), element("p", {}, element("code", {}, id)), close, feedback, note, fields,
    bodies);
  root.hidden = false;
  root.querySelector("h2").focus();
  try {
    const row = await api.row(account, gateway, id);
    showFeedback(row.feedback);
    for (const [name, value] of Object.entries(row)) {
      if (HIDDEN.includes(name) || value === null || value === "") continue;
      const text = typeof value === "object" ? JSON.stringify(value) : String(value);
      fields.append(element("dt", {}, name), element("dd", {}, text));
    }
    for (const part of ["request", "response"]) {
      const text = await api.body(account, gateway, id, part);
      bodies.append(
        element("h3", {}, part === "request" ? "Request" : "Response"),
        text === null ? element("p", {}, "No body was kept.") : element("pre", { tabindex: "0" }, pretty(text)));
    }
  } catch (error) {
    note.textContent = error.message;
  }

  function showFeedback(current) {
    const buttons = [["👍 Good", 1], ["👎 Bad", -1], ["No rating", null]].map(([label, value]) => {
      const button = element("button", { type: "button", "aria-pressed": String(current === value) }, label);
      button.addEventListener("click", async () => {
        try {
          await api.rate(account, gateway, id, value);
          note.textContent = "Saved.";
          showFeedback(value);
        } catch (error) {
          note.textContent = error.message;
        }
      });
      return button;
    });
    feedback.replaceChildren(...buttons);
  }
}
