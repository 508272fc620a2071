// What shoppers do. Each scenario gives the order it was about and how it has to have ended; `attempts` is how many pages may
// have been opened for it.

import assert from 'node:assert/strict';

import { CARDS } from './shopper.mjs';

const PAID = { status: 'captured', fulfilments: 1, attempts: 1 };

export const scenarios = {
  async success(shopper) {
    await shopper.order();
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async decline_then_pay(shopper) {
    await shopper.order();
    await shopper.pay(CARDS.declines);
    await shopper.page.waitForSelector('[role=alert], .alert, .notice');
    assert.ok(!shopper.inShop(), 'a decline stays on the hosted page');
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async three_d_secure_passed(shopper) {
    await shopper.order();
    await shopper.pay(CARDS.asks);
    await shopper.answerSecure('pass');
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async three_d_secure_failed_then_pay(shopper) {
    await shopper.order();
    await shopper.pay(CARDS.asks);
    await shopper.answerSecure('fail');
    await shopper.page.waitForSelector('[name=number]');
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  /// Every page up to the payment, in both languages: this is where a phone finds out whether it can be used.
  async every_page_before_payment(shopper) {
    const { page, shop } = shopper;
    await shopper.inBothLanguages('shelf');
    await page.goto(`${shop}basket`);
    await shopper.inBothLanguages('basket-empty');
    await page.goto(`${shop}orders`);
    await shopper.inBothLanguages('orders-none');
    await page.goto(shop);
    await page.click('[data-test=add-hojicha]');
    await shopper.inBothLanguages('basket');
    await page.goto(`${shop}checkout`);
    await shopper.inBothLanguages('checkout');
    // The payment page speaks the language of the order: here the one, and in the next scenario the other.
    await page.goto(shop);
    await shopper.order();
    await shopper.picture('hosted');
    await shopper.cancel();
    await shopper.sees('cancelled', 'unpaid');
    await shopper.inBothLanguages('order-unpaid');
    return { order: await shopper.orderNumber(), status: 'created', fulfilments: 0, attempts: 1 };
  },

  /// Every page from the payment on, in both languages.
  async every_page_from_payment_on(shopper) {
    const { page, shop } = shopper;
    const operator = await page.getAttribute('[data-test=operator]', 'href');
    await page.click('a[hreflang]');
    await shopper.order();
    await shopper.picture('hosted-other');
    await shopper.pay(CARDS.declines);
    await page.waitForSelector('[role=alert]');
    await shopper.isUsable();
    await shopper.picture('hosted-declined');
    await shopper.pay(CARDS.asks);
    await shopper.answerSecure('pass');
    const order = await shopper.fullyPaid();
    await page.goto(`${shop}orders/${order}`);
    await shopper.inBothLanguages('order-shipped');
    await page.goto(`${shop}orders`);
    await shopper.inBothLanguages('orders');
    await page.goto(new URL(operator, shop).href);
    await shopper.inBothLanguages('operator');
    return { order, ...PAID };
  },

  async unfinished_basket_survives(shopper) {
    await shopper.page.click('[data-test=add-sencha]');
    await shopper.page.waitForURL('**/basket');
    await shopper.page.close();
    await shopper.arrive();
    assert.equal(await shopper.page.textContent('.count'), '1');
    // It is still there after one more thing was chosen, and both are what is ordered.
    await shopper.order({ article: 'hojicha' });
    assert.equal(await shopper.page.locator('.lines > li').filter({ hasNotText: /送料|Delivery/ }).count(), 2);
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  /// The watch over the content policy can see: what the policy forbids is heard about.
  async a_violated_policy_is_noticed(shopper) {
    await shopper.order();
    await shopper.page.evaluate(() => document.body.setAttribute('style', 'color: red'));
    await shopper.page.waitForTimeout(200);
    assert.equal(shopper.complaints.length, 1, 'the style was refused');
    shopper.complaints.length = 0;
    await shopper.cancel();
    await shopper.sees('cancelled', 'unpaid');
    return { order: await shopper.orderNumber(), status: 'created', fulfilments: 0, attempts: 1 };
  },

  async cancel(shopper) {
    await shopper.order();
    await shopper.cancel();
    const standing = await shopper.sees('cancelled', 'unpaid');
    assert.ok(standing);
    return { order: await shopper.orderNumber(), status: 'created', fulfilments: 0, attempts: 1 };
  },

  async pay_after_cancel(shopper) {
    await shopper.order();
    const page = shopper.page.url();
    await shopper.cancel();
    await shopper.sees('cancelled', 'unpaid');
    await shopper.page.click('[data-test=pay]');
    await shopper.page.waitForSelector('[name=number]');
    assert.equal(shopper.page.url(), page, 'the same page again');
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async paid_on_the_page_that_was_left(shopper) {
    await shopper.order();
    await shopper.cancel();
    await shopper.sees('cancelled', 'unpaid');
    await shopper.page.goBack();
    await shopper.page.waitForSelector('[name=number]');
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async closed_tab(shopper) {
    await shopper.order();
    // The browser is told to go back to the shop and never gets there.
    await shopper.page.route(`${shopper.shop}**`, (route) => route.abort());
    await shopper.pay(CARDS.succeeds);
    await shopper.page.waitForTimeout(500);
    await shopper.page.close();
    shopper.complaints.length = 0;
    await shopper.arrive();
    const order = await shopper.newestOrder();
    await shopper.look(order);
    assert.equal(await shopper.fullyPaid(), order);
    return { order, ...PAID };
  },

  async double_click_in_the_shop(shopper) {
    await shopper.order({ press: (button) => button.dblclick() });
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async double_click_on_the_hosted_page(shopper) {
    await shopper.order();
    await shopper.pay(CARDS.succeeds, (button) => button.dblclick());
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async back_button_from_the_hosted_page(shopper) {
    await shopper.order();
    const page = shopper.page.url();
    await shopper.page.goBack();
    assert.ok(shopper.inShop());
    const order = await shopper.newestOrder();
    await shopper.look(order);
    await shopper.page.click('[data-test=pay]');
    await shopper.page.waitForSelector('[name=number]');
    assert.equal(shopper.page.url(), page, 'the same page again');
    await shopper.pay(CARDS.succeeds);
    assert.equal(await shopper.fullyPaid(), order);
    return { order, ...PAID };
  },

  async back_button_after_payment(shopper) {
    await shopper.order();
    await shopper.pay(CARDS.succeeds);
    const order = await shopper.fullyPaid();
    await shopper.page.goBack();
    await shopper.page.waitForLoadState();
    // Whatever the hosted page shows now, the order stays what it is.
    await shopper.look(order);
    assert.equal(await shopper.fullyPaid(), order);
    return { order, ...PAID };
  },

  async reload_of_the_return_page(shopper) {
    await shopper.order();
    const returns = [];
    shopper.page.on('response', (response) => {
      if (response.url().includes('/return?')) returns.push(response.url());
    });
    await shopper.pay(CARDS.succeeds);
    const order = await shopper.fullyPaid();
    for (let times = 0; times < 3; times += 1) await shopper.page.reload();
    assert.equal(await shopper.fullyPaid(), order);
    // And the gateway's own address of the return, from the history.
    assert.ok(returns.length > 0, 'the browser came back');
    await shopper.page.goto(returns[0]);
    assert.equal(await shopper.fullyPaid(), order);
    return { order, ...PAID };
  },

  async delayed_payment_arrives(shopper) {
    await shopper.order();
    await shopper.payLater(true);
    await shopper.sees('pending');
    const order = await shopper.orderNumber();
    // The page looks again by itself.
    assert.equal(await shopper.fullyPaid(), order);
    return { order, ...PAID };
  },

  async a_card_at_komoju(shopper) {
    await shopper.order({ way: 'komoju' });
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async a_card_at_sbps_by_a_form_in_shift_jis(shopper) {
    // The page with the form as the shop sends it, and the bytes that the browser makes of it.
    const form = {};
    await shopper.page.route('**/checkout', async (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      const response = await route.fetch({ maxRedirects: 0 });
      form.page = await response.text();
      return route.fulfill({ response });
    });
    shopper.page.on('request', (request) => {
      if (request.url().endsWith('/FepBuyInfoReceive.do')) form.body = request.postDataBuffer().toString('latin1');
    });
    await shopper.order({ way: 'sbps', article: 'chasen' });
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), form, ...PAID };
  },

  async a_card_at_gmopg(shopper) {
    await shopper.order({ way: 'gmopg' });
    await shopper.pay(CARDS.succeeds);
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async delayed_slip_at_komoju(shopper) {
    await shopper.order({ way: 'komoju' });
    await shopper.payLater(true);
    // The slip: the shopper goes back to the shop with it.
    await shopper.page.click('[data-do=return]');
    await shopper.sees('pending');
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async delayed_slip_at_gmopg(shopper) {
    await shopper.order({ way: 'gmopg' });
    await shopper.payLater(true);
    await shopper.page.click('[data-do=return] button');
    await shopper.sees('pending');
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async delayed_slip_at_sbps(shopper) {
    await shopper.order({ way: 'sbps' });
    await shopper.payLater(true);
    await shopper.page.click('[data-do=return]');
    await shopper.sees('pending');
    return { order: await shopper.fullyPaid(), ...PAID };
  },

  async delayed_payment_never_arrives(shopper) {
    await shopper.order();
    await shopper.payLater(false);
    await shopper.sees('pending');
    await shopper.sees('declined');
    return { order: await shopper.orderNumber(), status: 'failed', fulfilments: 0, attempts: 1 };
  },
};
