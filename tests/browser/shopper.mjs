// One shopper with one browser window: what a person does in the shop and on the hosted page, and what is watched meanwhile.

import assert from 'node:assert/strict';

export const CARDS = {
  succeeds: '4242 4242 4242 4242',
  declines: '4000 0000 0000 0002',
  asks: '4000 0025 0000 3155',
};

const LOOPBACK = ['127.0.0.1', 'localhost'];

export class Shopper {
  /// `shots` is where pictures of the pages go, if anybody wants to look at them.
  constructor(shop, context, shots) {
    this.shop = shop;
    this.shots = shots;
    this.gateways = new Set();
    this.asked = [];
    this.context = context;
    this.complaints = [];
    this.outside = [];
    context.on('page', (page) => this.#watch(page));
  }

  /// Opens a window.
  async arrive() {
    this.page = await this.context.newPage();
    await this.page.goto(this.shop);
  }

  #watch(page) {
    // A violated content policy and a broken page both end up here.
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('request', (request) => {
      const { hostname, origin } = new URL(request.url());
      if (!LOOPBACK.includes(hostname)) this.outside.push(request.url());
      if (`${origin}/` !== this.shop) this.gateways.add(origin);
      // As they were sent. A request that was broken off has none to show.
      this.asked.push(request.allHeaders().then((headers) => ({ origin, headers }), () => null));
    });
  }

  /// Nothing that the shop keeps in the browser went to the payment page, and neither did the address of a page of the shop.
  async keptItsCookies() {
    assert.ok(this.gateways.size > 0, 'a payment page was opened');
    const own = await this.context.cookies(this.shop);
    assert.ok(own.some((cookie) => cookie.name === 'session'), 'the shop has a cookie');
    for (const gateway of this.gateways) assert.deepEqual(await this.context.cookies(gateway), [], `cookies for ${gateway}`);
    const asked = (await Promise.all(this.asked)).filter(Boolean);
    const [there, here] = [true, false].map((away) => asked.filter(({ origin }) => (`${origin}/` !== this.shop) === away));
    assert.ok(here.some(({ headers }) => headers.cookie?.includes('session=')), 'cookies are seen where they are sent');
    assert.ok(there.length > 0, 'what was sent to the payment page was seen');
    for (const { headers } of there) {
      assert.equal(headers.cookie, undefined);
      assert.ok(!headers.referer?.startsWith(this.shop), 'the payment page is not told where in the shop one was');
    }
  }

  inShop() {
    return this.page.url().startsWith(this.shop);
  }

  /// Fills the basket and the order, and leaves for the hosted page.
  async order({ article = 'sencha', way, press = (button) => button.click() } = {}) {
    await this.#put(article);
    await this.page.click('[data-test=checkout]');
    await this.page.fill('[name=name]', '山田 花子');
    await this.page.fill('[name=email]', 'hanako@example.com');
    await this.page.fill('[name=address]', '静岡県静岡市葵区 1-2-3');
    if (way) await this.page.check(`[type=radio][value=${way}]`);
    await this.#isClean();
    await press(this.page.locator('[data-test=pay]'));
    await this.page.waitForSelector('[name=number]');
    assert.ok(!this.inShop(), 'the card is typed elsewhere');
    await this.isUsable();
  }

  async #put(article) {
    await this.#isClean();
    await this.page.click(`[data-test=add-${article}]`);
    await this.page.waitForURL('**/basket');
    await this.#isClean();
  }

  /// No field for card data, and nothing to scroll sideways to.
  async #isClean() {
    assert.ok(this.inShop(), `in the shop, at ${this.page.url()}`);
    const found = await this.page.evaluate(() => {
      const fields = [...document.querySelectorAll('input, select, textarea')];
      const card = /card|cc-|cvv|cvc|number|expir/i;
      return {
        card: fields.filter((field) => card.test(field.name + ' ' + field.autocomplete)).map((field) => field.outerHTML),
        wide: document.documentElement.scrollWidth - window.innerWidth,
      };
    });
    assert.deepEqual(found.card, []);
    assert.ok(found.wide <= 0, `the page is ${found.wide} px too wide`);
    await this.isUsable();
  }

  /// Nothing to scroll sideways to, and whatever can be pressed or typed into can be reached: it is in the window once one has
  /// scrolled down to it, nothing lies over it, and a button is large enough for a finger.
  async isUsable() {
    const wrong = await this.page.evaluate(() => {
      const wrong = [];
      if (document.documentElement.scrollWidth > window.innerWidth) wrong.push(`${document.documentElement.scrollWidth} px wide`);
      for (const part of document.querySelectorAll('a:not(.skip), button, input:not([type=hidden]), textarea, summary')) {
        part.scrollIntoView({ block: 'center' });
        const box = part.getClientRects()[0];
        const name = part.outerHTML.slice(0, 120);
        if (!box) {
          wrong.push(`not shown: ${name}`);
          continue;
        }
        const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        if (!at || !(part.contains(at) || at.contains(part))) wrong.push(`out of reach: ${name}`);
        if (box.left < 0 || box.right > window.innerWidth + 0.5) wrong.push(`cut off: ${name}`);
        if (part.matches('button') && box.height < 36) wrong.push(`${box.height} px high: ${name}`);
      }
      window.scrollTo(0, 0);
      return wrong;
    });
    assert.deepEqual(wrong, [], this.page.url());
  }

  /// Opens a page of the shop as it is in both languages, and leaves it in the one it was in.
  async inBothLanguages(name) {
    for (const times of [1, 2]) {
      await this.#isClean();
      const lang = await this.page.getAttribute('html', 'lang');
      await this.picture(`${name}-${lang}`);
      await this.page.click('a[hreflang]');
      const now = await this.page.getAttribute('html', 'lang');
      assert.notEqual(now, lang, `the language changed, ${times}`);
    }
  }

  async picture(name) {
    if (this.shots) await this.page.screenshot({ path: `${this.shots}/${name}.png`, fullPage: true });
  }

  /// Types a card and presses the button.
  async pay(number, press = (button) => button.click()) {
    await this.page.fill('[name=number]', number);
    await this.page.fill('[name=expiry]', '12/30');
    await this.page.fill('[name=code]', '123');
    await this.page.fill('[name=holder]', 'HANAKO YAMADA');
    await press(this.page.locator('form:has([name=number]) button.main'));
  }

  async answerSecure(answer) {
    await this.page.waitForSelector('body[data-page=secure]');
    await this.isUsable();
    await this.picture(`secure-${answer}`);
    await this.page.click(`button[value=${answer}]`);
  }

  async payLater(arrives) {
    await this.page.locator(`form.later button[value=${arrives}]`).first().click();
  }

  async cancel() {
    await this.page.click('[data-do=cancel]');
  }

  /// The order's page, once it shows one of these.
  async sees(...standings) {
    const one = standings.map((standing) => `[data-standing=${standing}]`).join(', ');
    await this.page.waitForSelector(one, { timeout: 25_000 });
    assert.ok(this.inShop());
    await this.#isClean();
    return this.page.getAttribute('[data-test=standing]', 'data-standing');
  }

  async orderNumber() {
    const number = await this.page.textContent('[data-test=order]');
    return number.trim();
  }

  /// The number of the newest order of this browser, from the shop's own list.
  async newestOrder() {
    await this.page.goto(`${this.shop}orders`);
    const link = await this.page.textContent('ul.orders li a');
    return link.trim();
  }

  async look(order) {
    await this.page.goto(`${this.shop}orders/${order}`);
  }

  async fullyPaid() {
    await this.sees('shipped');
    return this.orderNumber();
  }
}
