// Deciding in a sheet instead of a page: the same form, fetched when it is asked for, over what the visitor looks at.
"use strict";

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-sheet]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  let answer;
  try {
    answer = await fetch(link.href, { headers: { Accept: "text/html" } });
  } catch {
    answer = null;
  }
  const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html");
  const asked = page && page.querySelector("#confirm");
  if (!asked || !answer.ok) {
    location.assign(link.href); // what is wrong is said there
    return;
  }
  open(asked, link, event);
});

// What somebody typed and has not sent is there again after a reload, in this tab alone, for nobody else who signs in here.
function keep(form) {
  const own = `unsent ${form.dataset.by} `;
  for (const name of Object.keys(sessionStorage)) if (name.startsWith("unsent ") && !name.startsWith(own)) sessionStorage.removeItem(name);
  const name = `${own}${form.getAttribute("action")} ${form.elements.decision.value}`;
  const { reason, because } = form.elements;
  const kept = JSON.parse(sessionStorage.getItem(name) || "{}");
  if (!reason.value && kept.reason) reason.value = kept.reason;
  if (because && !because.value && kept.because) because.value = kept.because;
  form.addEventListener("input", () => sessionStorage.setItem(name, JSON.stringify({ reason: reason.value, because: because?.value })));
  form.addEventListener("submit", () => sessionStorage.removeItem(name)); // where it is refused the page that says so has it
}

addEventListener("DOMContentLoaded", () => document.querySelectorAll("#confirm form").forEach(keep));

function open(asked, link, event) {
  const sheet = document.createElement("dialog");
  sheet.className = "confirm-sheet";
  sheet.setAttribute("aria-labelledby", "confirm-title");
  sheet.append(...asked.childNodes);
  document.body.append(sheet);
  keep(sheet.querySelector("form"));
  sheet.addEventListener("close", () => {
    sheet.remove();
    (link.isConnected ? link : document.querySelector(`a[href="${link.getAttribute("href")}"]`))?.focus(); // its section may be new
  });
  sheet.addEventListener("submit", (sent) => {
    const button = sent.target.querySelector("button[type=submit]");
    setTimeout(() => { button.disabled = true; }); // after it was sent: a second tap sends nothing
  });
  const back = sheet.querySelector("[data-back]");
  back.addEventListener("click", (clicked) => {
    clicked.preventDefault();
    sheet.close();
  });
  sheet.showModal();
  back.focus();
  if (event.clientX && matchMedia("(min-width: 821px)").matches) place(sheet, back, event);
}

// A second tap on the same place goes back, and never approves.
function place(sheet, back, event) {
  const whole = sheet.getBoundingClientRect();
  const button = back.getBoundingClientRect();
  const left = event.clientX - (button.left - whole.left) - button.width / 2;
  const top = event.clientY - (button.top - whole.top) - button.height / 2;
  sheet.style.margin = "0";
  sheet.style.left = `${Math.max(0, Math.min(left, innerWidth - whole.width))}px`;
  sheet.style.top = `${Math.max(0, Math.min(top, innerHeight - whole.height))}px`;
}
