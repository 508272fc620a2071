// node run.mjs ADDRESS: every scenario against the shop that is open at the address, one line of JSON for each, and one with
// the address of the operator's page. Started by tests/it/browser.rs, which judges.

import { chromium } from 'playwright-core';

import { scenarios } from './scenarios.mjs';
import { Shopper } from './shopper.mjs';

const shop = process.argv[2];
const SIDE_BY_SIDE = 3;
const PATIENCE = 60_000;
const PATIENCE_FOR_ALL = 300_000;

/// Every way of looking at the shop gets its share of the scenarios; all of them run in the first.
const WINDOWS = [
  { name: 'desktop ja', options: { locale: 'ja-JP', viewport: { width: 1100, height: 800 } }, only: Object.keys(scenarios) },
  {
    name: 'phone en',
    options: { locale: 'en-GB', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
    only: ['pay_after_cancel', 'every_page_before_payment', 'every_page_from_payment_on'],
  },
  {
    name: 'phone ja without scripts',
    options: { locale: 'ja-JP', viewport: { width: 360, height: 740 }, javaScriptEnabled: false },
    only: ['success', 'every_page_before_payment', 'every_page_from_payment_on', 'delayed_payment_arrives'],
  },
];

// What never ends is ended, and the browser with it.
setTimeout(() => {
  console.error('all of it took too long');
  process.exit(1);
}, PATIENCE_FOR_ALL).unref();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});

// The slow ones first, so that nothing waits for them at the end.
const work = WINDOWS.flatMap((window) => window.only.map((name) => ({ window, name })));
work.sort((one, other) => Number(other.name.startsWith('delayed')) - Number(one.name.startsWith('delayed')));

async function play({ window, name }) {
  const started = Date.now();
  const context = await browser.newContext(window.options);
  context.setDefaultTimeout(20_000);
  const shots = process.env.KESSAI_SCREENSHOTS;
  const shopper = new Shopper(shop, context, shots && `${shots}/${window.name.replaceAll(' ', '-')}`);
  const line = { scenario: name, window: window.name };
  let timer;
  try {
    await shopper.arrive();
    const tooLong = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('took too long')), PATIENCE);
    });
    line.ended = await Promise.race([scenarios[name](shopper), tooLong]);
    await shopper.keptItsCookies();
    line.complaints = shopper.complaints;
    line.outside = shopper.outside;
  } catch (error) {
    line.error = `${error.message} at ${shopper.page?.url()}`;
  } finally {
    clearTimeout(timer);
    await context.close();
  }
  line.ms = Date.now() - started;
  console.log(JSON.stringify(line));
}

async function worker() {
  while (work.length > 0) await play(work.shift());
}

const page = await browser.newPage();
await page.goto(shop);
console.log(JSON.stringify({ operator: await page.locator('[data-test=operator]').evaluate((link) => link.href) }));
await page.close();
await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
await browser.close();
