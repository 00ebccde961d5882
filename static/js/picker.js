// Choosing a model by typing: an ARIA combobox over the field that is there without scripts, which keeps the value.
// The server finds and writes the options, so words and conditions (<1$, >100k) mean the same as on the models' page.
(() => {
  const WAIT_MS = 120;
  let made = 0;

  class Picker {
    constructor(field) {
      this.native = field.querySelector("select, input[list]");
      this.facts = field.querySelector("[data-picker-facts]");
      this.url = field.dataset.picker;
      this.shown = field.dataset.pickerText || "";
      this.count = 0;
      this.build(field);
    }

    build(field) {
      const input = (this.input = document.createElement("input"));
      const list = (this.list = document.createElement("ul"));
      const box = document.createElement("div");
      this.status = document.createElement("p");
      input.id = this.native.id;
      this.native.id += "-ref";
      this.native.hidden = true;
      list.id = `picker-${(made += 1)}`;
      const fixed = { type: "text", role: "combobox", autocomplete: "off", autocapitalize: "off", spellcheck: "false" };
      const aria = { "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
      for (const [name, value] of Object.entries({ ...fixed, ...aria })) input.setAttribute(name, value);
      for (const name of ["aria-invalid", "aria-describedby"]) {
        if (this.native.hasAttribute(name)) input.setAttribute(name, this.native.getAttribute(name));
      }
      input.placeholder = this.native.dataset.blank || "";
      input.value = this.shown;
      list.setAttribute("role", "listbox");
      list.setAttribute("aria-label", "Models");
      list.className = "picker__list";
      list.hidden = true;
      box.className = "picker__box";
      this.status.className = "visually-hidden";
      this.status.setAttribute("role", "status");
      box.append(input, list, this.status);
      this.native.after(box);
      if (this.native.autofocus || document.activeElement === this.native) input.focus();
      this.listen();
    }

    listen() {
      this.input.addEventListener("input", (event) => {
        event.stopPropagation(); // half a word is no change of the form
        this.ask(this.input.value, WAIT_MS);
      });
      this.input.addEventListener("change", (event) => event.stopPropagation());
      this.input.addEventListener("focus", () => this.input.select());
      this.input.addEventListener("click", () => this.isOpen() || this.ask(this.query(), 0));
      this.input.addEventListener("blur", () => this.leave());
      this.input.addEventListener("keydown", (event) => this.key(event));
      this.list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
      this.list.addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) this.choose(option);
      });
    }

    // --- keys

    key(event) {
      const acts = { ArrowDown: 1, ArrowUp: -1, Home: "first", End: "last", Enter: "take", Escape: "leave" };
      const act = acts[event.key];
      if (act === undefined || event.isComposing || event.ctrlKey || event.metaKey) return;
      if (this.press(act)) {
        event.preventDefault();
        event.stopPropagation();
      }
    }

    // Whether the key meant something here; Enter in a closed field sends the form, Home and End move in the text.
    press(act) {
      if (act === 1 || act === -1) {
        if (this.isOpen()) this.move(act);
        else this.ask(this.query(), 0, act);
        return true;
      }
      if (act === "leave") {
        const told = this.isOpen() || this.input.value !== this.shown;
        this.close();
        this.input.value = this.shown;
        return told;
      }
      if (act === "take" && (this.isOpen() || this.isAsking())) {
        this.take();
        return true;
      }
      if (!this.isOpen()) return false;
      if (!this.active()) return false;
      this.activate(act === "first" ? 0 : this.options().length - 1);
      return true;
    }

    move(step) {
      const options = this.options();
      const here = options.indexOf(this.active());
      const first = step > 0 ? 0 : options.length - 1;
      this.activate(here < 0 ? first : (here + step + options.length) % options.length);
    }

    activate(at) {
      const option = this.options()[at];
      this.active()?.setAttribute("aria-selected", "false");
      if (!option) return;
      option.setAttribute("aria-selected", "true");
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }

    // --- the list

    query() {
      return this.input.value === this.shown ? "" : this.input.value;
    }

    ask(query, wait, step = 0) {
      clearTimeout(this.timer);
      this.asked?.abort();
      this.takes = false;
      this.list.setAttribute("aria-busy", "true");
      this.timer = setTimeout(() => this.fetch(query, step), wait);
    }

    async fetch(query, step) {
      const asked = (this.asked = new AbortController());
      try {
        const reply = await fetch(`${this.url}?q=${encodeURIComponent(query)}`, {
          headers: { "HX-Request": "true" },
          signal: asked.signal,
        });
        if (!reply.ok) throw new Error(String(reply.status));
        const options = await reply.text();
        if (!asked.signal.aborted) this.open(options, step);
      } catch {
        if (!asked.signal.aborted) this.fail();
      }
    }

    fail() {
      const note = document.createElement("li");
      note.className = "picker__note";
      note.setAttribute("role", "presentation");
      note.textContent = "The list could not be loaded. A model can be typed as connection:model-id.";
      this.open("", 0);
      this.list.append(note);
      this.status.textContent = note.textContent;
    }

    open(options, step) {
      if (document.activeElement !== this.input) return;
      this.list.innerHTML = options;
      this.options().forEach((option, at) => {
        option.id = `${this.list.id}-${at}`;
        option.toggleAttribute("data-chosen", option.dataset.ref === this.native.value);
      });
      this.list.hidden = false;
      this.list.scrollTop = 0;
      this.input.setAttribute("aria-expanded", "true");
      this.input.removeAttribute("aria-activedescendant");
      const found = this.options().length;
      this.status.textContent = found === 1 ? "1 model" : `${found} models`;
      this.list.removeAttribute("aria-busy");
      if (step) this.move(step);
      if (this.takes) this.take();
    }

    close() {
      clearTimeout(this.timer);
      this.asked?.abort();
      this.takes = false;
      this.list.removeAttribute("aria-busy");
      this.list.hidden = true;
      this.list.replaceChildren();
      this.status.textContent = "";
      this.input.setAttribute("aria-expanded", "false");
      this.input.removeAttribute("aria-activedescendant");
    }

    isOpen() {
      return !this.list.hidden;
    }

    // Whether what is offered, if anything, is for words that have changed since.
    isAsking() {
      return this.list.hasAttribute("aria-busy");
    }

    options() {
      return [...this.list.querySelectorAll("[role=option]")];
    }

    active() {
      return this.list.querySelector("[aria-selected=true]");
    }

    // --- the value

    // What the keys went to, else the first; while that is on its way Enter waits for it.
    take() {
      this.takes = this.isAsking() && !this.active();
      const option = this.active() || this.options()[0];
      if (option && !this.takes) this.choose(option);
    }

    choose(option) {
      const facts = option.querySelector(".picker__facts");
      this.set(option.dataset.ref, option.dataset.name, facts ? [...facts.cloneNode(true).childNodes] : []);
      this.close();
      this.input.select();
    }

    // Who leaves the field without having chosen means what stands in it: nothing, a model of the menu, one typed out.
    leave() {
      const typed = this.input.value.trim();
      this.close();
      if (this.input.value === this.shown) return;
      if (!typed) this.set("", "", []);
      else if (this.listed(typed)) this.set(this.listed(typed).value, this.listed(typed).text, []);
      else if (typed.includes(":") && this.native.matches("input")) this.set(typed, typed, []);
      else this.input.value = this.shown;
    }

    // The option of the menu that is called so, by its reference or its name; a name that two have means neither.
    listed(typed) {
      const options = [...(this.native.options ?? [])].filter((one) => one.value);
      const named = options.filter((one) => one.text === typed);
      return options.find((one) => one.value === typed) ?? (named.length === 1 ? named[0] : undefined);
    }

    set(ref, name, facts) {
      const native = this.native;
      if (native.matches("select") && ![...native.options].some((one) => one.value === ref)) native.add(new Option(name, ref));
      native.value = ref;
      this.shown = this.input.value = name;
      this.facts?.replaceChildren(...facts);
      for (const kind of ["input", "change"]) native.dispatchEvent(new Event(kind, { bubbles: true }));
    }
  }

  function enhance(root) {
    for (const field of root.querySelectorAll("[data-picker]:not([data-picks])")) {
      field.setAttribute("data-picks", "");
      new Picker(field);
    }
  }

  document.addEventListener("DOMContentLoaded", () => enhance(document));
  document.addEventListener("htmx:afterSettle", () => enhance(document));
  if (document.readyState !== "loading") enhance(document);
})();
