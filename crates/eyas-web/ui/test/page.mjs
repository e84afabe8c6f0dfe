// Opens the live view of a running program in headless Chromium and uses it as a person would.
//
//   node test/page.mjs URL KIND [FOLDER]
//
// KIND is `play`, `run` (a training or distillation), `fleet` (a training of one) or `view`; pictures go to FOLDER. Prints
// `ok`, or what is wrong. `return` says `connected` and waits until the program has gone and come back at its address.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";

const [url, kind, folder] = process.argv.slice(2);
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };
/** Tabs that have something to show, beside the flight. */
const TABS = {
  play: ["config"],
  run: ["curves", "config", "log"],
  fleet: ["curves", "tables", "config", "log"],
  view: ["curves", "tables", "config", "log"],
};
if (folder) mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.EYAS_CHROMIUM || "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
  ],
});
const problems = [];

async function open(viewport, colorScheme) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !isOfSoftwareRenderer(message.text())) {
      problems.push(`console: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => problems.push(`page: ${error}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) {
      problems.push(`a request to ${request.url()}`);
    }
  });
  await page.goto(url);
  await page.locator("#connection[data-connected=true]").waitFor();
  return page;
}

// Chromium itself says that drawing without a graphics card is slow.
const isOfSoftwareRenderer = (text) => text.includes("GPU stall due to ReadPixels") || text.includes("software WebGL");

const readout = async (page, name) => {
  const row = page.locator("#readouts div", { has: page.getByText(name, { exact: true }) });
  return parseFloat(await row.locator("dd").textContent());
};

async function until(what, isTrue) {
  const end = Date.now() + 20_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < end, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function picture(page, name) {
  if (folder) await page.screenshot({ path: path.join(folder, `${kind}-${name}.png`) });
}

/** Nothing is wider than the window, in any tab. */
async function fits(page, name) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window, `${name}: the page is ${wide} px wide in a window of ${window} px`);
}

async function flies(page) {
  await page.locator("#readouts div").first().waitFor();
  const before = await readout(page, "Flown");
  // Another vehicle of a fleet starts from zero.
  await until("time goes on", async () => (await readout(page, "Flown")) !== before);
  assert.ok((await readout(page, "Vehicles")) >= 1);
  await until("frames are drawn", async () => (await readout(page, "Frames")) > 0);
  // A picture of one colour shows nothing.
  await until("vehicles are drawn", async () => (await colors(page)) > 10);
}

/** Colours in the 3-D picture; one where it is read between two frames. */
const colors = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) =>
        requestAnimationFrame(() => {
          const view = document.getElementById("view");
          const copy = new OffscreenCanvas(view.width, view.height).getContext("2d");
          copy.drawImage(view, 0, 0);
          const { data } = copy.getImageData(0, 0, view.width, view.height);
          resolve(new Set(new Uint32Array(data.buffer)).size);
        }),
      ),
  );

async function tabsByKeyboard(page) {
  const offered = () => page.locator("[role=tab]:visible").evaluateAll((all) => all.map((it) => it.id.replace("tab-", "")));
  await until("tabs are offered", async () => (await offered()).length === 1 + TABS[kind].length);
  assert.deepEqual(await offered(), ["flight", ...TABS[kind]]);
  await page.locator("#tab-flight").focus();
  for (const expected of TABS[kind]) {
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.evaluate(() => document.activeElement.id), `tab-${expected}`);
    assert.ok(await page.locator(`#panel-${expected}`).isVisible(), expected);
  }
  await page.keyboard.press("Home");
  assert.ok(await page.locator("#panel-flight").isVisible());
}

async function everyTab(page, name) {
  for (const tab of ["flight", ...TABS[kind]]) {
    await page.locator(`#tab-${tab}`).click();
    // A picture is taken when all is drawn.
    if (folder) await page.waitForTimeout(400);
    assert.doesNotMatch(await page.locator("main").innerText(), /\byet\b/i, `${name}-${tab}`);
    await fits(page, `${name}-${tab}`);
    await picture(page, `${name}-${tab}`);
  }
  await page.locator("#tab-flight").click();
}

/** What one viewer changes, all see; and every control can be reached by Tab and moved by keys. */
async function disturbs(page, other) {
  const names = await page.locator("#controls input[type=range]").evaluateAll((all) => all.map((it) => it.name));
  assert.ok(names.length >= 5, `sliders: ${names}`);
  await page.locator("#tab-flight").focus();
  const reached = new Set();
  for (let press = 0; press < 40; press++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.name || document.activeElement.textContent));
  }
  for (const name of [...names, "trajectory", "policy", "Push downwind"]) assert.ok(reached.has(name), `Tab does not reach ${name}`);
  for (const name of ["force", "mass", "delay", "loss_0"]) {
    const moved = page.locator(`#controls input[name=${name}]`);
    const before = await moved.inputValue();
    await moved.focus();
    await page.keyboard.press("ArrowRight");
    const value = await moved.inputValue();
    assert.notEqual(value, before);
    await until(`another viewer sees ${name}`, async () => (await other.locator(`#controls input[name=${name}]`).inputValue()) === value);
  }
  await page.getByRole("button", { name: "Push downwind" }).click();
  await page.getByRole("button", { name: "Undisturbed" }).click();
  await until("another viewer sees calm", async () => (await other.locator("#controls input[name=mass]").inputValue()) === "1");
  const trajectory = page.locator("#controls select[name=trajectory]");
  const paths = await trajectory.locator("option").allTextContents();
  await trajectory.selectOption(paths[0]);
  await until("another viewer sees the trajectory", async () => (await other.locator("#controls select[name=trajectory]").inputValue()) === paths[0]);
  await trajectory.selectOption(paths.at(-1));
}

/** A wind blows everyone away from where they should be, and calm lets them come back. */
async function windHasAnEffect(page) {
  await page.locator("#controls select[name=trajectory]").selectOption("hover");
  const error = () => readout(page, "Mean position error");
  await until("the vehicles hover", async () => (await error()) < 30);
  await page.locator("#controls input[name=force]").fill("60");
  await until("the wind has an effect", async () => (await error()) > 5 || (await readout(page, "Crashes")) > 0);
  await page.getByRole("button", { name: "Undisturbed" }).click();
}

/** What is no request is answered by an error, and the connection lives on. */
async function survivesNonsense(page) {
  const answers = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/live`);
        const errors = [];
        socket.onmessage = ({ data }) => {
          if (typeof data !== "string") return;
          const message = JSON.parse(data);
          if (message.type === "error" && message.message) errors.push(message.message);
          if (errors.length === 5) {
            socket.close();
            resolve(errors);
          }
        };
        socket.onopen = () => {
          for (const text of ["", "{", "[1,2]", '{"type":"set","control":"force","value":1e9}']) socket.send(text);
          socket.send(new Uint8Array([1, 2, 3]));
        };
      }),
  );
  assert.equal(answers.length, 5);
}

/** The page notices that the program has gone, and shows it again when it is back. */
async function returns(page) {
  console.log("connected");
  await page.locator("#connection[data-connected=false]").waitFor();
  console.log("lost");
  await page.locator("#connection[data-connected=true]").waitFor({ timeout: 60_000 });
  // The new program counts from zero.
  await flies(page);
  // A browser reports refused connections; they are what this is about.
  problems.splice(0, problems.length, ...problems.filter((it) => !it.includes("WebSocket connection to")));
}

const page = await open(WIDE, "light");
await flies(page);
if (kind === "return") {
  await returns(page);
  await browser.close();
  assert.deepEqual(problems, []);
  console.log("ok");
  process.exit();
}
await tabsByKeyboard(page);
if (kind !== "play") {
  await page.locator("#tab-curves").click();
  await page.locator("figure .uplot").first().waitFor();
}
if (kind === "fleet") {
  await page.locator("#tab-tables").click();
  await page.locator("summary", { hasText: "Teachers" }).click();
  await page.getByRole("cell", { name: "accepted" }).first().waitFor();
  assert.ok((await page.getByRole("columnheader", { name: "vehicle" }).count()) > 0);
}
if (kind === "run") {
  await page.locator("#tab-flight").click();
  await until("epochs are counted", async () => (await readout(page, "Epoch")) > 0);
  assert.match(await page.locator("#readouts").innerText(), /Epoch\s+\d+ of 100000\s+Time left\s+\d+ (h|min)/);
}
if (kind === "view") {
  await page.locator("#tab-tables").click();
  await page.locator("summary", { hasText: "comparison.csv" }).waitFor();
  for (const who of ["student", "teacher"]) assert.ok(await page.getByRole("cell", { name: who, exact: true }).first().isVisible());
  await page.locator("#tab-log").click();
  await until("the log is read", async () => (await page.locator("#log").textContent()).includes("Training completed!"));
  await page.locator("#tab-flight").click();
  assert.match(await page.locator("#readouts").innerText(), /Epoch\s+4 of 4\s+Time left\s+none: finished/);
}
await everyTab(page, "1440-light");
if (kind === "play") {
  const other = await open(NARROW, "light");
  await disturbs(page, other);
  await windHasAnEffect(page);
  await survivesNonsense(page);
  await other.context().close();
}
for (const [name, viewport, scheme] of [
  ["1440-dark", WIDE, "dark"],
  ["390-light", NARROW, "light"],
  ["390-dark", NARROW, "dark"],
]) {
  const page = await open(viewport, scheme);
  await flies(page);
  await everyTab(page, name);
  await page.context().close();
}
await browser.close();
assert.deepEqual(problems, []);
console.log("ok");
