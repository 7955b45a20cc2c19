// What people do with the page, done in a real Chromium: a line of JSON says what, with which address and token; a line of
// JSON answers.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const DO = {
  async pauseAndResume(page, { url }) {
    await page.locator('[data-name="cleanse"]').click();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator('[data-name="cleanse"].paused').waitFor();
    await order(url, 1);
    await page.locator('[data-name="cleanse"]', { hasText: "1 waiting" }).waitFor();
    const resting = await page.locator('[data-name="cleanse"]').getAttribute("aria-label");
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator('[data-name="report"]', { hasText: "1 done" }).waitFor();
    const run = page.locator("#panel details summary", { hasText: "event 1" });
    await run.waitFor();
    const links = await page.locator("#panel li").allInnerTexts();
    return { resting, chip: await page.locator("#panel .chip").innerText(), links };
  },

  async decide(page) {
    await page.getByRole("tab", { name: /Dead letters/ }).click();
    const rows = page.locator("#dead tbody tr");
    await page.waitForFunction(() => document.querySelectorAll("#dead tbody tr").length === 3);
    const badge = await page.locator("#dead-count").innerText();
    const why = await rows.first().locator("td").nth(2).innerText();
    await rows.first().getByRole("button", { name: "Retry" }).click();
    await page.waitForFunction(() => document.querySelectorAll("#dead tbody tr").length === 2);
    const drop = rows.first().locator('[data-key^="drop"]');
    await drop.click();
    const question = await drop.innerText();
    await drop.click();
    await page.waitForFunction(() => document.querySelectorAll("#dead tbody tr").length === 1);
    await page.getByRole("button", { name: "Event 1", exact: true }).click();
    await page.locator("#panel .journey li.dead").getByRole("button", { name: /Retry/ }).click();
    await page.locator("#panel .journey li.done", { hasText: "report" }).waitFor();
    await page.getByText("No dead letters.").waitFor();
    return { badge, why, question };
  },

  async toml(page) {
    await page.getByRole("tab", { name: "Document" }).click();
    const editor = page.getByRole("textbox", { name: "Document as TOML" });
    await editor.waitFor();
    const before = await editor.inputValue();
    await editor.fill(before.replace("# why", "# why not").replace("'python'", "'pythn'"));
    const fault = await page.locator("#faults button").innerText();
    await editor.fill(before.replace("# why", "# why not"));
    await page.getByText("No faults.").waitFor();
    await editor.press("Control+s");
    await page.locator("#versions", { hasText: "Version 3" }).waitFor();
    return { before, fault };
  },

  async digits(page) {
    await page.getByRole("tab", { name: "Events" }).click();
    await page.locator("#events").getByRole("button", { name: "Event 1", exact: true }).click();
    return { payload: await page.locator("#panel pre", { hasText: '"total"' }).innerText() };
  },

  async older(page) {
    await page.getByRole("tab", { name: /Dead letters/ }).click();
    const rows = page.locator("#dead tbody tr");
    await page.waitForFunction(() => document.querySelectorAll("#dead tbody tr").length === 100);
    const these = await page.getByRole("button", { name: /^Retry (these|all) / }).innerText();
    await page.getByRole("button", { name: "Older dead letters" }).click();
    await page.waitForFunction(() => document.querySelectorAll("#dead tbody tr").length === 120);
    const all = await page.getByRole("button", { name: /^Retry (these|all) / }).innerText();
    await page.getByRole("tab", { name: "Graph" }).click();
    await page.locator('[data-name="report"]').click();
    await page.getByRole("button", { name: "Older runs" }).click();
    await page.waitForFunction(() => document.querySelectorAll('#panel details[data-key^="r"]').length === 40);
    return { these, all };
  },

  async change(page) {
    await page.getByRole("tab", { name: "Document" }).click();
    const editor = page.getByRole("textbox", { name: "Document as JSON" });
    const written = async () => JSON.parse(await editor.inputValue());
    await page.waitForFunction(() => document.querySelector("textarea").value !== "");
    const document = await written();
    const more = { name: "more", type: "pythn", execution_context: document.process[0].execution_context };
    document.process.push(more);
    document.links.push({ from: "report", to: "more" });
    await editor.fill(JSON.stringify(document, null, 2));
    const fault = page.locator("#faults button");
    await fault.waitFor();
    const told = await fault.innerText();
    await fault.click();
    const at = await editor.evaluate((one) => one.value.slice(one.selectionStart, one.selectionStart + 7));
    more.type = "python";
    await editor.fill(JSON.stringify(document, null, 2));
    await page.getByText("No faults.").waitFor();
    await page.getByRole("textbox", { name: "Note" }).fill("one more");
    await editor.press("Control+s");
    await page.locator("#versions", { hasText: "one more" }).waitFor();
    await page.getByRole("tab", { name: "Graph" }).click();
    await page.locator('[data-name="more"]').waitFor();
    await page.getByRole("tab", { name: "Document" }).click();
    await page.getByRole("button", { name: "Version 1" }).click();
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("#versions", { hasText: "back to version 1" }).waitFor();
    return { told, at, nodes: (await written()).process.length };
  },

  async onlyKeys(page, { token }) {
    await page.goto(page.url().split("#")[0]);
    await page.evaluate(() => sessionStorage.clear());
    await page.reload();
    await page.keyboard.type("not-the-right-token");
    await page.keyboard.press("Enter");
    await page.getByText("the token is not right.").waitFor();
    await page.keyboard.type(token);
    await page.keyboard.press("Enter");
    await page.locator('[data-name="orders"]').focus();
    const way = [];
    for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "Enter"]) {
      await page.keyboard.press(key);
      way.push(await page.evaluate(() => document.activeElement.dataset.name ?? ""));
    }
    await page.locator("#panel h2", { hasText: "report" }).waitFor();
    await page.keyboard.press("Escape");
    const back = await page.evaluate(() => document.activeElement.dataset.name);
    await page.locator("#tab-graph").focus();
    await page.keyboard.press("ArrowRight");
    const hostile = page.locator("#events td", { hasText: "<img" }).first();
    const shown = await hostile.innerText();
    return { way: way.slice(0, 3), back, shown, images: await page.locator("main img").count(), address: page.url() };
  },
};

async function order(url, number) {
  const event = { location: "shop.orders", operation: "create", id: `${number}` };
  const answer = await fetch(`${url}/hooks/orders`, { method: "POST", body: JSON.stringify(event) });
  if (answer.status !== 202) throw new Error(`the webhook answered ${answer.status}`);
}

async function one(browser, { what, ...given }) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(15000);
  const faults = [], strangers = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (one) => { if (one.type() === "error" && !/status of 4(01|22)/.test(one.text())) faults.push(one.text()); });
  page.on("request", (one) => { if (!one.url().startsWith(given.url)) strangers.push(one.url()); });
  try {
    await page.goto(`${given.url}/#token=${given.token}`);
    await page.locator(".node").first().waitFor();
    return { ...await DO[what](page, given), faults, strangers };
  } catch (error) {
    return { failed: `${error.stack}\n${faults.join("\n")}` };
  } finally {
    if (given.picture) await page.screenshot({ path: given.picture });
    await page.close();
  }
}

const { modules, chromium: executablePath } = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${JSON.stringify(await one(browser, JSON.parse(line)))}\n`);
} finally {
  await browser.close();
}
