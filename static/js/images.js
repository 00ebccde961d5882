// Images of a question: pasted, dropped or chosen, uploaded at once one by one, shown with a button that removes each.
(() => {
  const form = document.querySelector("form[data-compose]");
  const box = form?.querySelector("[data-images]");
  if (!box) return;
  const list = box.querySelector("[data-images-list]");
  const input = box.querySelector("input[type=file]");
  const status = box.querySelector("[data-images-status]");
  const max = Number(box.dataset.max);
  const maxBytes = Number(box.dataset.maxBytes);
  const waiting = [];
  let uploading = null;
  let wantsToAsk = null;

  form.dataset.imagesScripted = "1";
  const scripted = () => { for (const button of list.querySelectorAll("[data-image-remove]")) button.hidden = false; };
  const count = () => list.querySelectorAll("[data-image], [data-image-uploading]").length;
  const say = (text) => { status.textContent = text; };

  function item(name) {
    const made = document.createElement("li");
    made.className = "image image--uploading";
    made.setAttribute("data-image-uploading", "");
    const label = document.createElement("span");
    label.className = "small";
    label.textContent = `Uploading ${name.slice(0, 60)}`;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.setAttribute("aria-label", label.textContent);
    made.append(label, bar);
    list.append(made);
    return made;
  }
  function problem(place, name, text) {
    const made = document.createElement("li");
    made.className = "image image--bad";
    made.setAttribute("data-image-problem", "");
    const said = document.createElement("p");
    said.className = "field__error";
    const file = document.createElement("bdi");
    file.textContent = name.slice(0, 60);
    said.append(...(name ? [file, ": "] : []), text);
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn btn--small btn--quiet image__remove";
    close.setAttribute("data-image-remove", "");
    close.textContent = "Dismiss";
    made.append(said, close);
    if (place) place.replaceWith(made); else list.append(made);
    say(`${name ? `${name.slice(0, 60)}: ` : ""}${text}`);
  }

  function add(files) {
    for (const old of list.querySelectorAll("[data-image-problem]")) old.remove();
    let leftOut = 0;
    for (const file of files) {
      if (count() >= max) { leftOut += 1; continue; }
      if (file.size > maxBytes) { problem(null, file.name, `The file has ${(file.size / 1e6).toFixed(1)} MB; ${maxBytes / 1e6} MB are allowed.`); continue; }
      waiting.push({ file, place: item(file.name) });
    }
    if (leftOut) problem(null, "", `${leftOut === 1 ? "An image was" : `${leftOut.toLocaleString("en")} images were`} left away: ${max} are allowed in a question.`);
    next();
  }

  function next() {
    if (uploading) return;
    const job = waiting.shift();
    if (!job) { done(); return; }
    if (!job.place.isConnected) { next(); return; }
    uploading = job;
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("images", job.file);
    request.open("POST", box.dataset.url);
    request.setRequestHeader("X-CSRFToken", form.querySelector("[name=csrfmiddlewaretoken]").value);
    request.setRequestHeader("HX-Request", "true");
    request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) job.place.querySelector("progress").value = event.loaded / event.total; });
    request.addEventListener("load", () => ended(job, request));
    request.addEventListener("error", () => { problem(job.place, job.file.name, "The server could not be reached. Add it again."); over(); });
    request.send(body);
  }
  function ended(job, request) {
    const isFragment = (request.status === 201 || request.status === 422) && request.getResponseHeader("Content-Type")?.startsWith("text/html");
    if (!isFragment) {
      problem(job.place, job.file.name, request.responseText.length < 300 && request.getResponseHeader("Content-Type")?.startsWith("text/plain") ? request.responseText : "It could not be taken. Reload the page and add it again.");
    } else {
      const template = document.createElement("template");
      template.innerHTML = request.responseText;
      const made = template.content.firstElementChild;
      job.place.replaceWith(made);
      scripted();
      say(request.status === 201 ? "The image is added." : made.textContent.trim());
    }
    over();
  }
  function over() {
    uploading = null;
    next();
  }
  function done() {
    if (!wantsToAsk) return;
    const submitter = wantsToAsk;
    wantsToAsk = null;
    if (!list.querySelector("[data-image-problem]")) form.requestSubmit(submitter);
  }

  // Whoever sends while an image is on its way waits for it, and is told.
  form.addEventListener("submit", (event) => {
    if (!uploading && !waiting.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    wantsToAsk = event.submitter ?? form.querySelector("[data-send]");
    say("The question is sent once the images are uploaded.");
  }, true);
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // uploaded already: the form need not bring them along
    add(files);
  });
  form.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    // What comes from a text editor is text, even if a picture of it comes along.
    if (!files.length || event.clipboardData.getData("text/plain")) return;
    event.preventDefault();
    add(files);
  });
  const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  form.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    form.dataset.dropping = "1";
  });
  form.addEventListener("dragleave", (event) => { if (!form.contains(event.relatedTarget)) delete form.dataset.dropping; });
  form.addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    delete form.dataset.dropping;
    add([...event.dataTransfer.files]);
  });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-image-remove]");
    if (!button) return;
    const gone = button.closest("li");
    const wasImage = gone.hasAttribute("data-image");
    const neighbour = (gone.nextElementSibling ?? gone.previousElementSibling)?.querySelector("[data-image-remove]");
    gone.remove();
    (neighbour ?? input).focus();
    if (wasImage) say("The image is removed.");
  });
  scripted();
})();
