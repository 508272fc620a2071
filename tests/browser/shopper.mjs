// One shopper with one browser window: what a person does in the shop and on the hosted page, and what is watched meanwhile.

import assert from 'node:assert/strict';

export const CARDS = {
  succeeds: '4242 4242 4242 4242',
  declines: '4000 0000 0000 0002',
  asks: '4000 0025 0000 3155',
};

export class Shopper {
  constructor(shop, context) {
    this.shop = shop;
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
      const host = new URL(request.url()).hostname;
      if (host !== '127.0.0.1') this.outside.push(request.url());
    });
  }

  inShop() {
    return this.page.url().startsWith(this.shop);
  }

  /// Fills the basket and the order, and leaves for the hosted page.
  async order({ article = 'sencha', press = (button) => button.click() } = {}) {
    await this.#put(article);
    await this.page.click('[data-test=checkout]');
    await this.page.fill('[name=name]', '山田 花子');
    await this.page.fill('[name=email]', 'hanako@example.com');
    await this.page.fill('[name=address]', '静岡県静岡市葵区 1-2-3');
    await this.#isClean();
    await press(this.page.locator('[data-test=pay]'));
    await this.page.waitForSelector('[name=number]');
    assert.ok(!this.inShop(), 'the card is typed elsewhere');
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
    await this.page.waitForSelector(one, { timeout: 60_000 });
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
