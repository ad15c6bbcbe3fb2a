// Checks HTML reports in Chromium, driven by playwright-core, and their accessibility with axe-core.
//
//   node page.mjs check PACKAGES FILE FOLDER  checks everything, prints the failures, and takes the screenshots of `screens`
//   node page.mjs many PACKAGES FILE       checks a page with more rows than are shown
//   node page.mjs harmless PACKAGES FILE   checks that no text of a row runs, loads anything, or reverses the page
//   node page.mjs time PACKAGES FILE       measures the time to open, sort and filter
//   node page.mjs screens PACKAGES FILE FOLDER  takes screenshots of the top and of the accounts, on a phone and on a desk
//   node page.mjs picture PACKAGES FILE PNG  takes the screenshot for the README
//
// PACKAGES is the folder with node_modules. CHROMIUM names the browser; its default is /usr/bin/chromium.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [mode, packages, file, target] = process.argv.slice(2);
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };
const require = createRequire(resolve(packages, 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const address = pathToFileURL(resolve(file)).href;
const wrong = [];
const hold = (holds, what) => { if (!holds) wrong.push(what); };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

// Opens the page, and records everything that it must not do.
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.on('console', (message) => wrong.push(`the console says ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => wrong.push(`an error in the page: ${error.message}`));
  page.on('dialog', (dialog) => { wrong.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => { if (request.url() !== address) wrong.push(`a request for ${request.url()}`); });
  await page.goto(address);
  return page;
}

const visibleRows = (page, table) => page.locator(`#${table} tbody tr`).filter({ visible: true });
const cells = (page, table, column) => page.$$eval(`#${table} tbody tr`, (rows, column) => rows.map((row) => row.cells[column].textContent), column);

async function looks() {
  for (const width of [360, PHONE.width, DESK.width, 1440]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await open({ viewport: { width, height: 900 }, colorScheme });
      const name = `${width} px, ${colorScheme}`;
      hold(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name}: the page scrolls sideways`);
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = background.match(/\d+/g).slice(0, 3).every((part) => part > 128);
      hold(light === (colorScheme === 'light'), `${name}: the background is ${background}`);
      // Through the debugger, because the policy of the page forbids scripts.
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      for (const { id, impact, help, nodes } of violations) {
        wrong.push(`${name}: axe finds ${id} (${impact}): ${help}, ${nodes.length} times, first ${nodes[0].html.slice(0, 120)}`);
      }
      await page.context().close();
    }
  }
}

// On a phone the count is on the screen beside the login. The login stays when the table scrolls sideways, and the header when it
// scrolls down.
async function fitsPhone() {
  const page = await open({ viewport: PHONE });
  const found = await page.evaluate(() => {
    const table = document.getElementById('counted');
    const box = table.closest('.scroll');
    const [login, count] = table.tHead.rows[0].cells;
    const rows = [...table.tBodies[0].rows].slice(0, 20);
    const cut = rows.filter((row) => {
      row.scrollIntoView({ block: 'center' });
      const { left, right, width } = row.cells[1].getBoundingClientRect();
      return left < 0 || right > innerWidth || width === 0;
    });
    const isScrolledSideways = box.scrollLeft > 0 || scrollX > 0;
    box.scrollTo(0, 0);
    const before = { left: rows[0].cells[0].getBoundingClientRect().left, top: login.getBoundingClientRect().top };
    box.scrollTo(150, 150);
    const after = { left: rows[0].cells[0].getBoundingClientRect().left, top: login.getBoundingClientRect().top };
    const countMoved = count.getBoundingClientRect().left;
    return {
      heading: count.innerText, rows: rows.length, cut: cut.map((row) => row.innerText), isScrolledSideways,
      scrolled: [box.scrollLeft, box.scrollTop], before, after, isCovered: countMoved < login.getBoundingClientRect().right,
    };
  });
  hold(found.heading === 'Public repos', `the second column is ${found.heading}`);
  hold(found.rows === 20 && found.cut.length === 0, `of ${found.rows} rows the count is cut off in ${JSON.stringify(found.cut)}`);
  hold(!found.isScrolledSideways, 'the count is on the screen only after scrolling sideways');
  hold(found.scrolled.every((distance) => distance > 0), `the table cannot be scrolled both ways: ${found.scrolled}`);
  hold(found.before.left === found.after.left, 'the login does not stay when the table scrolls sideways');
  hold(found.before.top === found.after.top, 'the header does not stay when the table scrolls down');
  hold(found.isCovered, 'the count does not move below the login');
  await page.context().close();
}

// The links at the top lead to every section below the totals, in their order, and failures come before the totals.
async function leads() {
  const page = await open();
  const found = await page.evaluate(() => ({
    links: [...document.querySelectorAll('nav a')].map((link) => [link.textContent, document.querySelector(link.hash)?.textContent]),
    headings: [...document.querySelectorAll('h2')].map((heading) => heading.textContent),
    broken: [...document.links].filter((link) => link.href.includes('#') && !document.querySelector(link.hash)).map((link) => link.hash),
  }));
  hold(found.links.length > 0 && found.links.every(([text, heading]) => text === heading), `links and headings differ: ${JSON.stringify(found.links)}`);
  hold(found.broken.length === 0, `nothing is at ${found.broken}`);
  const totals = found.headings.indexOf('Totals');
  hold(found.headings.slice(totals + 1).join() === found.links.map(([text]) => text).join(), `the sections are ${found.headings}`);
  hold(totals === 1 && /^4 of 200 accounts were not counted$/.test(found.headings[0]), `before the totals is ${found.headings[0]}`);
  await page.context().close();
}

// Sorts rows independently of the page's own code.
function isSorted(values, direction) {
  const number = (text) => (text === '=' ? 0 : /^[+−-]?[\d,]+$/.test(text) ? Number(text.replaceAll(',', '').replace('−', '-')) : NaN);
  const known = values.filter((text) => text !== '–' && text !== '');
  const numbers = known.map(number).filter((value) => !Number.isNaN(value));
  const words = known.filter((text) => Number.isNaN(number(text)));
  const step = (a, b) => (typeof a === 'number' ? Math.sign(b - a) : new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' }).compare(b, a));
  const goes = (list) => list.every((value, at) => at === 0 || step(list[at - 1], value) * direction >= 0);
  const place = (text) => (text === '–' || text === '' ? 2 : Number.isNaN(number(text)) ? 1 : 0);
  return goes(numbers) && goes(words) && values.every((text, at) => at === 0 || place(values[at - 1]) <= place(text));
}

async function sorts() {
  const page = await open();
  for (const table of await page.$$eval('table.rows', (tables) => tables.map((table) => table.id))) {
    const headings = page.locator(`#${table} thead th`);
    for (let column = 0; column < await headings.count(); column += 1) {
      const heading = headings.nth(column);
      const before = await cells(page, table, column);
      const seen = [];
      for (const press of ['mouse', 'Enter', 'Space']) {
        const button = heading.locator('button');
        if (press === 'mouse') await button.click(); else { await button.focus(); await page.keyboard.press(press); }
        const sort = await heading.getAttribute('aria-sort');
        const after = await cells(page, table, column);
        hold(after.length === before.length, `${table}, column ${column}: rows are lost by sorting`);
        if (sort) {
          seen.push(sort);
          hold(isSorted(after, sort === 'ascending' ? 1 : -1), `${table}, column ${column}: not sorted, ${sort}: ${after.slice(0, 8)}`);
        } else {
          hold(after.join('\n') === before.join('\n'), `${table}, column ${column}: the third time does not bring the first order back`);
        }
      }
      hold(seen.sort().join() === 'ascending,descending', `${table}, column ${column}: sorted ${seen}`);
    }
  }
  await page.context().close();
}

async function filters() {
  const page = await open();
  const texts = await page.$$eval('table.rows tbody tr', (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent).join('\n').toLowerCase()));
  for (const wanted of ['silva', 'web SILVA', 'nobody has this', '']) {
    await page.locator('#filter').fill(wanted);
    const words = wanted.toLowerCase().split(' ').filter(Boolean);
    const right = texts.filter((text) => words.every((word) => text.includes(word))).length;
    const shown = await page.locator('table.rows tbody tr').filter({ visible: true }).count();
    hold(shown === right, `the filter "${wanted}" shows ${shown} rows instead of ${right}`);
    const text = await page.locator('#matches').textContent();
    hold(wanted ? text.startsWith(`${right} of`) : text === '', `the filter "${wanted}" shows "${text}"`);
  }
  await page.keyboard.press('Tab');
  hold(await page.evaluate(() => document.activeElement?.tagName !== 'BODY'), 'the keyboard gets nowhere from the filter');
  await page.context().close();
}

// The switch shows the rows with an event or a difference, with and without the script, and together with the filter.
async function showsOnlyChanges() {
  for (const javaScriptEnabled of [true, false]) {
    const page = await open({ javaScriptEnabled });
    const name = javaScriptEnabled ? 'with the script' : 'without the script';
    const isChanged = (row) => row.Event !== '' || /^[+−]/.test(row.Change ?? '');
    const rows = await page.$$eval('table.rows', (tables) => tables.flatMap((table) => {
      const headings = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
      return [...table.tBodies].flatMap((body) => [...body.rows]).map((row) => Object.fromEntries([...row.cells].map((cell, at) => [headings[at], cell.textContent])));
    }));
    const right = rows.filter(isChanged).map((row) => row.Login);
    const shown = () => page.$$eval('table.rows tbody tr', (rows) => rows.filter((row) => row.checkVisibility()).map((row) => row.cells[0].textContent));
    const all = await shown();
    await page.locator('#only-changes').check();
    hold(right.length > 0 && right.length < rows.length, `${name}: ${right.length} of ${rows.length} rows have changed`);
    hold((await shown()).join() === right.join(), `${name}: the switch shows ${await shown()} instead of ${right}`);
    if (javaScriptEnabled) {
      hold(await page.locator('#matches').textContent() === `${right.length} of ${rows.length}`, 'the switch does not say how many rows it shows');
      await page.locator('#filter').fill('silva');
      const both = rows.filter((row) => isChanged(row) && Object.values(row).join('\n').toLowerCase().includes('silva')).map((row) => row.Login);
      hold((await shown()).join() === both.join(), `with the filter the switch shows ${await shown()} instead of ${both}`);
      await page.locator('#filter').fill('');
    }
    await page.locator('#only-changes').uncheck();
    hold((await shown()).join() === all.join(), `${name}: the switch does not bring all rows back`);
    await page.context().close();
  }
}

async function withoutScript() {
  const page = await open({ javaScriptEnabled: false });
  hold(!(await page.locator('#tools').isVisible()), 'without JavaScript there is a filter that does nothing');
  hold(await page.locator('thead button').count() === 0, 'without JavaScript there are buttons that do nothing');
  for (const box of await page.locator('input.every').all()) {
    const table = (await box.getAttribute('id')).replace('all-', '');
    const all = await page.locator(`#${table} tbody tr`).count();
    hold(await visibleRows(page, table).count() === 200, 'not 200 rows at first');
    await box.check();
    hold(await visibleRows(page, table).count() === all, 'without JavaScript the rest of the rows cannot be shown');
  }
  hold(await visibleRows(page, 'counted').count() > 0, 'without JavaScript there are no rows');
  await page.context().close();
}

async function prints() {
  const page = await open({ colorScheme: 'dark' });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  hold(!(await page.locator('#tools').isVisible()), 'the filter is printed');
  hold(await page.evaluate(() => getComputedStyle(document.body).backgroundColor) === 'rgb(255, 255, 255)', 'the paper is dark');
  const hidden = await page.$$eval('svg', (pictures) => pictures.filter((svg) => svg.querySelector('rect') && ![...svg.querySelectorAll('rect')].some((rect) => rect.getBoundingClientRect().width > 0)).length);
  hold(hidden === 0, `${hidden} bars are not printed`);
  hold((await page.pdf({ format: 'A4' })).length > 10_000, 'there is nothing on the paper');
  await page.context().close();
}

// The policy forbids foreign scripts, styles and images.
async function isShut() {
  const page = await browser.newPage();
  await page.goto(address);
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    document.body.insertAdjacentHTML('beforeend', '<p id="styled" style="color: rgb(1, 2, 3)">x</p><img src="x" onerror="window.ran = true">');
    return new Promise((done) => setTimeout(() => done([window.ran ?? false, getComputedStyle(document.getElementById('styled')).color]), 200));
  });
  hold(ran[0] === false && ran[1] !== 'rgb(1, 2, 3)', `the policy lets through what it should not: ${ran}`);
  await page.close();
}

async function harmless() {
  const page = await open();
  const found = await page.evaluate(() => {
    const isInside = (link) => link.protocol === 'file:' && link.pathname === location.pathname && document.querySelector(link.hash || 'none') !== null;
    return {
      foreign: document.querySelectorAll('main img, main script, main iframe, main style, main [onerror], main [onload], main [style]').length,
      links: [...document.links].filter((link) => !isInside(link)).map((link) => link.href).filter((href) => !/^https:\/\/127\.0\.0\.1:[0-9]+\/(apps\/)?[A-Za-z0-9-]+$/.test(href)),
      ran: window.ran ?? false,
      turned: /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u0000-\u0008\u001b]/.test(document.body.innerText),
    };
  });
  hold(found.foreign === 0, 'an element out of a name is in the page');
  hold(found.links.length === 0, `a link leads to ${found.links}`);
  hold(!found.ran && !found.turned, `something ran or turned the text: ${JSON.stringify(found)}`);
  await page.context().close();
}

// A page with more rows than are shown at first: a click shows the rest, with and without a filter and a sort order.
async function many() {
  const page = await open();
  for (const table of ['counted', 'uncounted']) {
    const all = await page.locator(`#${table} tbody tr`).count();
    const box = page.locator(`#all-${table}`);
    hold(all > 200 && await visibleRows(page, table).count() === 200, `${table}: not 200 rows at first`);
    await page.locator(`#${table} thead th button`).first().click();
    hold(await visibleRows(page, table).count() === 200, `${table}: not 200 rows when sorted`);
    await box.check();
    hold(await visibleRows(page, table).count() === all, `${table}: not all rows are shown`);
    await box.uncheck();
  }
  await page.locator('#filter').fill('1');
  const text = await page.locator('label[for="all-counted"]').textContent();
  const found = await page.locator('#counted tbody tr').count();
  hold(text === `Show all ${found.toLocaleString('en')} rows`, `"${text}", but there are ${found}`);
  hold(found < 9990, 'the filter takes nothing away');
  await page.locator('#filter').fill('user-77');
  hold(!(await page.locator('#all-counted').isVisible()), 'there is something to show that is shown');
  await page.context().close();
}

async function time() {
  const times = { opened: [], sorted: [], filtered: [], all: [] };
  for (let round = 0; round < 5; round += 1) {
    const page = await open();
    times.opened.push(await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))));
    const took = (action) => page.evaluate((action) => new Promise((done) => {
      const begun = performance.now();
      if (action === 'sort') document.querySelector('#counted thead th:nth-child(3) button').click();
      if (action === 'filter') { document.getElementById('filter').value = '77'; document.getElementById('filter').dispatchEvent(new Event('input')); }
      if (action === 'all') { document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input')); document.getElementById('all-counted')?.click(); }
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
    }), action);
    times.sorted.push(await took('sort'));
    times.filtered.push(await took('filter'));
    times.all.push(await took('all'));
    await page.context().close();
  }
  const median = (list) => `${Math.round(list.sort((a, b) => a - b)[2])} ms`;
  console.log(`opened in ${median(times.opened)}, sorted in ${median(times.sorted)}, filtered in ${median(times.filtered)}, all rows shown in ${median(times.all)} (medians of 5)`);
}

async function screens() {
  for (const viewport of [PHONE, DESK]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await open({ viewport, colorScheme });
      for (const place of ['top', 'counted-title']) {
        await page.evaluate((place) => document.getElementById(place)?.scrollIntoView(), place);
        await page.screenshot({ path: resolve(target, `page-${viewport.width}-${colorScheme}-${place}.png`) });
      }
      await page.context().close();
    }
  }
}

async function picture() {
  const page = await open({ viewport: { width: 1200, height: 1090 }, deviceScaleFactor: 1 });
  await page.screenshot({ path: target });
}

switch (mode) {
  case 'check':
    for (const check of [looks, fitsPhone, leads, sorts, filters, showsOnlyChanges, withoutScript, prints, isShut, screens]) await check();
    break;
  case 'many':
    await many();
    await withoutScript();
    break;
  case 'harmless': await harmless(); break;
  case 'time': await time(); break;
  case 'screens': await screens(); break;
  case 'picture': await picture(); break;
  default: wrong.push(`unknown mode ${mode}`);
}
await browser.close();
console.log(wrong.length ? wrong.join('\n') : 'the page is as it should be');
process.exit(wrong.length ? 1 : 0);
