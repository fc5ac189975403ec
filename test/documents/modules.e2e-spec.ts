import { expect, it } from '@jest/globals';
import { fileOf } from './pages/block-kind.js';
import { describePage } from './pages/describe-page.js';
import { blocksOfPage } from './pages/page-blocks.js';

describePage('modules', { blockMs: 150_000 });

it('the page for teams shows every file of its module', () => {
  const files = blocksOfPage('modules')
    .map(fileOf)
    .filter((path) => path !== undefined);
  expect(files).toEqual([
    'shop/src/shop/orders.ts',
    'shop/src/shop/order.tool.ts',
    'shop/src/shop/clerk.ts',
    'shop/src/shop/shop.controller.ts',
    'shop/src/shop/shop.module.ts',
    'shop/stock-server.mjs',
    'shop/src/shop.spec.ts',
  ]);
});
